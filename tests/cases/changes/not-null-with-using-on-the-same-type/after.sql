CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @using coalesce(a, 'nobody')
  a TEXT NOT NULL
);
