CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  b TEXT NOT NULL -- @renamed from=a @using CAST(b AS TEXT)
);
