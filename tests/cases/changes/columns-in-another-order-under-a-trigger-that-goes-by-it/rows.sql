INSERT INTO t VALUES (1, 'a1', 'b1');
