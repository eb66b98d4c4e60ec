CREATE TABLE log (t INTEGER, note TEXT);
CREATE VIEW theirs AS SELECT t.a, log.note FROM t JOIN log ON log.t = t.ROWID;
INSERT INTO t VALUES (10, 'x'), (20, 'y');
INSERT INTO log VALUES (1, 'of x'), (2, 'of y');
