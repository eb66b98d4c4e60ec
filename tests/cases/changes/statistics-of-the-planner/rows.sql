INSERT INTO things (name, kind, size) VALUES ('a', 'x', 1), ('b', 'x', 2), ('c', 'y', 2), ('d', 'x', 4);
INSERT INTO people (mail, town) VALUES ('a@b', 'Bern'), ('c@d', 'Bern');
INSERT INTO words VALUES ('oui', 'fr'), ('no', 'en'), ('no', 'it');
INSERT INTO parts VALUES ('1', 'one'), ('2', 'two');
INSERT INTO plain VALUES (1), (2);
INSERT INTO untouched VALUES (1), (1);
ANALYZE;
