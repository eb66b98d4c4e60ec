INSERT INTO t VALUES (1, 'Ada', 'Lovelace'), (2, NULL, 'Hopper');
