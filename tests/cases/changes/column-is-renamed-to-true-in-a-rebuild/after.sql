CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @renamed from=a
  "true" TEXT NOT NULL
);
