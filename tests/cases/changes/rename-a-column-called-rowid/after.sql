CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE,
  -- @renamed from=rowid
  b TEXT);
