CREATE VIRTUAL TABLE search USING fts5(title, body, tokenize = 'porter ascii');
CREATE TABLE t (id INTEGER PRIMARY KEY);
