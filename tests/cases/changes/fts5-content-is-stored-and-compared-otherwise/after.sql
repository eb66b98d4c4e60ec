CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER);
CREATE VIRTUAL TABLE words USING fts5 (a, content = 't', content_rowid = 'id');
