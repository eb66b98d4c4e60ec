CREATE TABLE p (id TEXT PRIMARY KEY, -- @using uuid
  uuid TEXT NOT NULL UNIQUE);
CREATE TABLE c (id INTEGER PRIMARY KEY, p TEXT REFERENCES p (id) -- @using (SELECT uuid FROM p WHERE p.id = c.p)
);
CREATE TABLE d (id INTEGER PRIMARY KEY, p TEXT -- @using (SELECT p FROM c WHERE c.id = d.p)
);
