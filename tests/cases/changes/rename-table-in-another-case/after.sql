-- @renamed from=Users
CREATE TABLE users (id INTEGER PRIMARY KEY);
