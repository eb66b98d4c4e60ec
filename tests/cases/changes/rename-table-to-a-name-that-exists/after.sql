-- @renamed from=a
CREATE TABLE b (id INTEGER PRIMARY KEY);
