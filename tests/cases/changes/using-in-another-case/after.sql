CREATE TABLE t (
  a TEXT,
  c TEXT NOT NULL DEFAULT '' -- @Using a
);
