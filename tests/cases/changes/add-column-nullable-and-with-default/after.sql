CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  b INTEGER NOT NULL DEFAULT -1, -- the order of columns is no difference
  a TEXT,
  c BLOB
);
