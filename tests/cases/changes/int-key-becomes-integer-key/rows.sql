INSERT INTO t (rowid, id, a) VALUES (1, 20, 'x'), (2, 10, 'y');
INSERT INTO u VALUES (5, 'z');
