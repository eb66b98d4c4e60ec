CREATE TABLE t (
  a TEXT,
  b TEXT -- @using rowid
);
