CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER AS (a) STORED);
CREATE VIRTUAL TABLE words USING fts5 (b, content = 't', content_rowid = 'id');
