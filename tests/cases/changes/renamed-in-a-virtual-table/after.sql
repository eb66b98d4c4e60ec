CREATE VIRTUAL TABLE s USING fts5 (
  -- @renamed from=a
  b
);
