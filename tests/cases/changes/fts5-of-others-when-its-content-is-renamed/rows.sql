CREATE VIRTUAL TABLE theirs USING fts5(a, content='t', content_rowid='id');
INSERT INTO t VALUES (1, 'x');
INSERT INTO theirs (theirs) VALUES ('rebuild');
