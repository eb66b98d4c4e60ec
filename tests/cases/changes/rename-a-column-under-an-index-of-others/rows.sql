INSERT INTO t VALUES (1, 'x');
CREATE VIRTUAL TABLE theirs USING fts5 (a, content = t, content_rowid = id);
INSERT INTO theirs (theirs) VALUES ('rebuild');
