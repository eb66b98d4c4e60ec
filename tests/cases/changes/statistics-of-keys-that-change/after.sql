CREATE TABLE words (word TEXT, language TEXT, PRIMARY KEY (language, word)) WITHOUT ROWID;
-- @renamed from=letters
CREATE VIRTUAL TABLE mail USING fts5 (body);
