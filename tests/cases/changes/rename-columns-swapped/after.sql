CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a, -- @renamed from=b
  b  -- @renamed from=a
);
