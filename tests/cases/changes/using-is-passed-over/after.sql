CREATE TABLE p (code TEXT PRIMARY KEY);
CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @renamed from=a
  -- @using upper(named)
  named TEXT,
  b TEXT UNIQUE, -- @using upper(b)
  c TEXT COLLATE NOCASE, -- @using upper(c)
  d TEXT CHECK (d <> ''), -- @using upper(d)
  e TEXT REFERENCES p, -- @using lower(e)
  f TEXT -- @using upper(f)
);
