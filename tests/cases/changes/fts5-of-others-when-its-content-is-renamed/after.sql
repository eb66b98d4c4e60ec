-- @renamed from=t
CREATE TABLE texts (id INTEGER PRIMARY KEY, a TEXT);
