INSERT INTO t VALUES ('x', 'y');
CREATE VIEW theirs AS SELECT rowid, b FROM t;
