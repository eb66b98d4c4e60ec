CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE);
CREATE VIEW v AS SELECT id, CASE WHEN a = 'X' THEN 'large' ELSE 'small' END AS b FROM t;
CREATE VIRTUAL TABLE words USING fts5 (b, content = 'v', content_rowid = 'id');
