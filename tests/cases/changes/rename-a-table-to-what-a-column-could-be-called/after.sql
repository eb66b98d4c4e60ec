-- @renamed from=x
CREATE TABLE "a.b" (id INTEGER PRIMARY KEY);
CREATE TABLE a (
  id INTEGER PRIMARY KEY,
  b TEXT -- @using 'z'
);
