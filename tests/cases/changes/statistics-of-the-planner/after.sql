CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, kind TEXT, size INTEGER CHECK (size > 0));
CREATE INDEX things_kind ON things (kind);
CREATE INDEX things_size ON things (size DESC, kind);
-- @renamed from=people
CREATE TABLE "the members" (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, town TEXT);
CREATE INDEX people_town ON "the members" (town);
-- @renamed from=words
CREATE TABLE vocabulary (word TEXT, language TEXT, PRIMARY KEY (word, language), CHECK (word <> '')) WITHOUT ROWID;
CREATE TABLE parts (number TEXT, code TEXT UNIQUE);
CREATE TABLE plain (a, CHECK (a > 0));
CREATE TABLE untouched (a);
CREATE INDEX untouched_a ON untouched (a);
