CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @rename from=a
  b
);
