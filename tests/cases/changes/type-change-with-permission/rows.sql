INSERT INTO t VALUES (1, '007', 1.5, 5), (2, 'abc', 2.0, NULL), (3, '1e3', NULL, -1);
