INSERT INTO t VALUES (1, 'x', 7), (2, 'X', 3);
