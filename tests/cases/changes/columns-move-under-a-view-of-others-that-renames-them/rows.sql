INSERT INTO t VALUES (1, 'a', 'b');
CREATE VIEW theirs (x, y, z) AS SELECT t.* FROM t;
