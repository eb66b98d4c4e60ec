CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE);
CREATE VIRTUAL TABLE words USING fts5 (a, content = 't', content_rowid = 'id');
