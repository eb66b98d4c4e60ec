INSERT INTO t VALUES (1, 'x', 'y');
CREATE INDEX theirs ON t (a);
