CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a TEXT,
  b TEXT NOT NULL -- @using coalesce(json_extract(a, '$.b'), '')
);
