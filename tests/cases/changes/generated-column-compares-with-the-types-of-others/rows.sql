INSERT INTO t VALUES (1, '01'), (2, '2');
