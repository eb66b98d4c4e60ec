-- @renamed from=p
CREATE TABLE parents (id INTEGER PRIMARY KEY);
-- @renamed from=c
CREATE TABLE children (
  id INTEGER PRIMARY KEY,
  parent INTEGER REFERENCES parents (id), -- @renamed from=p_id
  note TEXT CHECK (note <> '')
);
CREATE TABLE other (id INTEGER PRIMARY KEY, p_id INTEGER REFERENCES parents (id));
