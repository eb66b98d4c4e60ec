CREATE TABLE z (id INTEGER PRIMARY KEY);
-- @renamed from=membres
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
