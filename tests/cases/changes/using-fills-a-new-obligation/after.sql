CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @using trim(coalesce(first, '') || ' ' || last)
  name TEXT NOT NULL
);
