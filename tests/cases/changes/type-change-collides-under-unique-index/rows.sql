INSERT INTO t VALUES (1, '7', NULL), (2, '07', NULL), (3, '07.0', 'x');
