INSERT INTO t VALUES (1, 5, '5'), (2, 6, '6');
