INSERT INTO t VALUES (1, '7', '007'), (2, 'seven', 7), (3, NULL, NULL);
