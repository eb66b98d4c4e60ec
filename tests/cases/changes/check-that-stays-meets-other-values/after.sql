CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a INTEGER CHECK (length(a) > 1),
  b,
  c AS (coalesce(d, 0)) CHECK (typeof(c) = 'integer'),
  d DEFAULT 'none'
);
