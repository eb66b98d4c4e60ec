INSERT INTO t (rowid, code, a) VALUES (5, 'k', 'x');
