INSERT INTO t VALUES (1, '007'), (2, 'abc'), (3, '1e3'), (4, NULL), (5, ''), (6, '5');
