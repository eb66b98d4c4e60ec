INSERT INTO t VALUES ('x', 'y');
CREATE INDEX theirs ON t (a);
