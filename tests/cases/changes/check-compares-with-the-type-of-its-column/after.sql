CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  flag INTEGER CHECK (flag IN ('0', '1')),
  n INTEGER CHECK (n > 4 AND typeof(n) = 'integer')
);
