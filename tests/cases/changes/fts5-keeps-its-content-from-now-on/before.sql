CREATE TABLE x (id INTEGER PRIMARY KEY, a, b);
CREATE VIRTUAL TABLE search USING fts5(a, b, content='x', content_rowid='id');
