INSERT INTO t VALUES (1, 'a', 'd'), (2, 'b', 'e'), (3, 'c', 'f');
