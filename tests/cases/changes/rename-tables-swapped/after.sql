-- @renamed from=b
CREATE TABLE a (id INTEGER PRIMARY KEY);
-- @renamed from=a
CREATE TABLE b (id INTEGER PRIMARY KEY);
