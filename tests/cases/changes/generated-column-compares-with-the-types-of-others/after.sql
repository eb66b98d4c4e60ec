CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  x INTEGER,
  is_one TEXT AS (x = '1') CHECK (is_one IN (0, 1))
);
