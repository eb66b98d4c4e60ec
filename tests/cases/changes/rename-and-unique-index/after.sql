-- @renamed from=old_name
CREATE TABLE new_name (
  id INTEGER PRIMARY KEY,
  new_column TEXT -- @renamed from=old_column
);
CREATE UNIQUE INDEX i ON new_name (new_column);
