CREATE TABLE x (id INTEGER PRIMARY KEY, a NOT NULL);
CREATE VIEW shown AS SELECT id, upper(a) AS a FROM x;
CREATE VIRTUAL TABLE search USING fts5(a, content='shown', content_rowid='id', tokenize=porter);
