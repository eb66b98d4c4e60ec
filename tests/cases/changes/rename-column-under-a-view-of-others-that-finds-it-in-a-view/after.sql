CREATE TABLE t (id INTEGER PRIMARY KEY,
  b TEXT, -- @renamed from=a
  c TEXT
);
CREATE VIEW v AS SELECT id, b AS a FROM t;
