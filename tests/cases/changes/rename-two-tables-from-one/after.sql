-- @renamed from=a
CREATE TABLE b (id INTEGER PRIMARY KEY, x);
-- @renamed from=A
CREATE TABLE c (id INTEGER PRIMARY KEY, x);
