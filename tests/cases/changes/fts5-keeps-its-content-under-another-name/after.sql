CREATE TABLE x (
  id INTEGER PRIMARY KEY,
  c, -- @renamed from=a
  b
);
CREATE VIRTUAL TABLE search USING fts5(a, b);
