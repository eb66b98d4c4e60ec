INSERT INTO t (a) VALUES ('x'), ('y');
DELETE FROM t;
