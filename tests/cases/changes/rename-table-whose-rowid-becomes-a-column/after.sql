-- @renamed from=users
CREATE TABLE people (id INTEGER PRIMARY KEY, name UNIQUE, "rowid");
