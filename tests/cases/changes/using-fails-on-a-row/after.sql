CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a INTEGER NOT NULL -- @using json_extract(a, '$.x')
);
