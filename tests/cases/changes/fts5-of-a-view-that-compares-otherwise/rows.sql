INSERT INTO t VALUES (1, 'x');
INSERT INTO words (words) VALUES ('rebuild');
