CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a TEXT,
  -- @using upper(a)
  b TEXT AS (lower(a))
);
