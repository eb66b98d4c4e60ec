CREATE TABLE t (id INTEGER PRIMARY KEY, a);
CREATE VIEW v AS SELECT
  -- @using upper(a)
  a FROM t;
