INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'X'), (3, 3, 'y');
