-- @renamed from=members
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
