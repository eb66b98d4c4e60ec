CREATE TABLE parent (id INTEGER PRIMARY KEY);
CREATE TABLE child (
  id TEXT PRIMARY KEY,
  rowid INTEGER REFERENCES parent (id) -- @renamed from=parent_id
);
