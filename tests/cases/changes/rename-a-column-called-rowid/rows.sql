INSERT INTO t VALUES ('x', 'y'), ('x', 'z');
