-- @renamed from=odl_name
CREATE TABLE new_name (id INTEGER PRIMARY KEY);
