CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  n INTEGER NOT NULL, -- @using n + 1
  m TEXT NOT NULL, -- @using gone_long_ago
  CHECK (n > 0)
);
