INSERT INTO t VALUES (1, '007');
INSERT INTO words (words) VALUES ('rebuild');
