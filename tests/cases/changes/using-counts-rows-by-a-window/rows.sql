INSERT INTO t VALUES (10, 'x'), (20, 'y');
