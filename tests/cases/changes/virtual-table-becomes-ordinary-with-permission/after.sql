CREATE TABLE t (
  a TEXT, -- @using upper(a)
  b TEXT
);
