CREATE VIRTUAL TABLE search USING fts5(body, content='texts', content_rowid='id');
CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT);
