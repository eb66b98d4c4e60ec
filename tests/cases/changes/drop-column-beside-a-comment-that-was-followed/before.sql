CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  nick TEXT,
  -- @using name || '!'
  name TEXT
);
