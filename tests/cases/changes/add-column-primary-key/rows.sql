INSERT INTO t (rowid, a) VALUES (7, 'x'), (9, 'y');
