CREATE TABLE x (id INTEGER PRIMARY KEY, a);
CREATE VIRTUAL TABLE search USING fts5(a, content='x', content_rowid='id');
