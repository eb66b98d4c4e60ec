INSERT INTO t VALUES (1, 'x', 'y', 7), (2, 'X', 'z', 3);
CREATE INDEX theirs ON t (b, a);
