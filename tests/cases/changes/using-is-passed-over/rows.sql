INSERT INTO p VALUES ('X');
INSERT INTO t VALUES (1, 'a', 'b', 'c', 'd', 'X', 'f');
