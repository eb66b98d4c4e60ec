INSERT INTO t VALUES ('x', 'y'), (NULL, 'y');
