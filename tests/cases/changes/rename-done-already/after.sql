-- @renamed from=old_name
CREATE TABLE new_name (
  id INTEGER PRIMARY KEY,
  -- @renamed from=old_column
  new_column TEXT
);
