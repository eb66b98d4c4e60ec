INSERT INTO t VALUES (1, 'ON'), (2, 'off'), (3, NULL);
