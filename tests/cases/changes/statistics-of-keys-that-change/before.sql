CREATE TABLE words (word TEXT, language TEXT, PRIMARY KEY (word, language)) WITHOUT ROWID;
CREATE VIRTUAL TABLE letters USING fts5 (body);
