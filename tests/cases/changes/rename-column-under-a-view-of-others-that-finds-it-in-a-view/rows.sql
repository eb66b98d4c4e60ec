INSERT INTO t VALUES (1, 'x', 'y');
CREATE VIEW theirs AS SELECT v.a, t.c FROM v JOIN t ON t.id = v.id;
