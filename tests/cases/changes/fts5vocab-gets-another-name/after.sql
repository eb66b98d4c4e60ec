CREATE VIRTUAL TABLE f USING fts5 (body);
-- @renamed from=words
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (f, row);
CREATE VIRTUAL TABLE terms USING fts5vocab (f, row);
