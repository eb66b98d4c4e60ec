CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a TEXT, -- @renamed from=b
  b TEXT  -- @renamed from=a
);
