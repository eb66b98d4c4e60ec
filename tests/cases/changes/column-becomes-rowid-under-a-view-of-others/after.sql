CREATE TABLE t (
  rowid TEXT, -- @renamed from=a
  b TEXT
);
