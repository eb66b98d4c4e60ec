INSERT INTO t VALUES ('5', 'x'), (NULL, 'y');
