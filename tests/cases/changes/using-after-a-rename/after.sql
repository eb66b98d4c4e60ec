CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @renamed from=old_name
  -- @using CAST(n AS INTEGER) + 1
  n INTEGER NOT NULL
);
