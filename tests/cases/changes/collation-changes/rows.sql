INSERT INTO t VALUES (1, 'b'), (2, 'C'), (3, NULL);
