CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @using upper(nam)
  a TEXT NOT NULL
);
