CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @using name || '!'
  name TEXT
);
