CREATE TABLE logs (id INTEGER PRIMARY KEY);
-- @renamed from=members
CREATE TABLE users (id INTEGER PRIMARY KEY);
