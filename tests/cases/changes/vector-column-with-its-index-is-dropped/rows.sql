INSERT INTO t VALUES (1, vector32('[1,2]'));
