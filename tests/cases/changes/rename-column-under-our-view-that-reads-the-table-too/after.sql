CREATE TABLE t (id INTEGER PRIMARY KEY,
  b TEXT -- @renamed from=a
);
CREATE VIEW v AS SELECT id, b AS a FROM t;
CREATE VIEW w AS SELECT v.a FROM v JOIN t ON t.id = v.id;
