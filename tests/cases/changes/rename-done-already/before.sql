CREATE TABLE new_name (id INTEGER PRIMARY KEY, new_column TEXT);
