CREATE TABLE x ("row.id" INTEGER PRIMARY KEY, -- @renamed from=key
  a TEXT);
CREATE TABLE y (key INTEGER PRIMARY KEY, b TEXT);
