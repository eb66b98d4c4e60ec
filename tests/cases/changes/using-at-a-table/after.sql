-- @using upper(a)
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
