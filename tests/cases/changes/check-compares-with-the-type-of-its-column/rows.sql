INSERT INTO t VALUES (1, 1, '5'), (2, 0, '6');
