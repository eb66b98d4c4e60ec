INSERT INTO t VALUES (1, '007'), (2, 'seven'), (3, 7);
