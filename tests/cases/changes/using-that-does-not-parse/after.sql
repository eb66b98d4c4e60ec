CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @using upper(
  a TEXT NOT NULL
);
