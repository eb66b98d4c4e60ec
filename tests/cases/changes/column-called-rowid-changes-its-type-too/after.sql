CREATE TABLE t (
  -- @renamed from=rowid
  n INTEGER NOT NULL, -- @using coalesce("RowId", 6)
  a TEXT
);
