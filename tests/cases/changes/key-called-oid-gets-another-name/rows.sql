INSERT INTO t VALUES (7, 'x'), (9, 'y');
