CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a TEXT,
  -- @using max(a)
  b TEXT NOT NULL
);
