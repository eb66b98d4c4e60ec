CREATE TABLE docs (
  id INTEGER PRIMARY KEY,
  text TEXT -- @renamed from=body
);
CREATE VIRTUAL TABLE search USING fts5(text, content='docs', content_rowid='id');
