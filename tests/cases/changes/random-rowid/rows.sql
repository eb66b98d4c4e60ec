INSERT INTO t (rowid, a) VALUES (5, 'x');
INSERT INTO r VALUES (6, 'y');
INSERT INTO kept (rowid, a) VALUES (7, 'z');
