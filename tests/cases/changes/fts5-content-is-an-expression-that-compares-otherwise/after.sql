CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  a TEXT,
  b TEXT AS (CASE WHEN a = 'X' THEN 'large' ELSE 'small' END) STORED
);
CREATE VIRTUAL TABLE words USING fts5 (b, content = 't', content_rowid = 'id');
