CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a TEXT,
  -- @using row_number() OVER (ORDER BY id DESC)
  place INTEGER NOT NULL UNIQUE
);
