-- @renamed from=old_table
CREATE TABLE new_table (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  new_column TEXT NOT NULL -- @renamed from=old_column
);
CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES new_table ON DELETE CASCADE);
