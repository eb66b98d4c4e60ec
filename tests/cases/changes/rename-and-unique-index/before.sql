CREATE TABLE old_name (id INTEGER PRIMARY KEY, old_column TEXT);
