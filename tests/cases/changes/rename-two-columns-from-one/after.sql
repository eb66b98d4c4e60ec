CREATE TABLE a (
  id INTEGER PRIMARY KEY,
  y, -- @renamed from=x
  z  -- @renamed from=x
);
