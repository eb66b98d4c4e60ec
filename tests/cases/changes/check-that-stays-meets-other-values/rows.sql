INSERT INTO t (id, a, b, d) VALUES (1, '07', 1, 1), (2, '12', 2, 2);
