INSERT INTO t VALUES (1, 'b'), (2, 'B'), (3, 'c');
