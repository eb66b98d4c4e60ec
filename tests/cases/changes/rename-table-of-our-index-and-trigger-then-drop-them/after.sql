-- @renamed from=old_name
CREATE TABLE new_name (id INTEGER PRIMARY KEY, b TEXT);
