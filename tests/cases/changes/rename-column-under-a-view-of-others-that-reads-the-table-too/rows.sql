INSERT INTO t VALUES (1, 'x');
CREATE VIEW theirs AS SELECT t.a AS shown FROM t JOIN v ON v.id = t.id;
