INSERT INTO words VALUES ('oui', 'fr'), ('no', 'en'), ('no', 'it');
INSERT INTO letters VALUES ('Dear all');
ANALYZE;
