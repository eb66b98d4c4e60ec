INSERT INTO t VALUES (1, 'abc', 'x'), (2, 1.5, 'y'), (3, 7, x'00'), (4, NULL, NULL);
