CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @renamed from=odl_name
  new_name TEXT
);
