INSERT INTO t VALUES (1, 'x', 0), (2, 'X', 0), (3, 'x', 1), (4, NULL, 0), (5, NULL, 0);
