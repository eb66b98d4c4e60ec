CREATE TABLE a (id INTEGER PRIMARY KEY, n INT NOT NULL -- @using (SELECT b.n FROM b WHERE b.id = a.id)
);
CREATE TABLE b (id INTEGER PRIMARY KEY, n INT NOT NULL -- @using (SELECT a.n FROM a WHERE a.id = b.id)
);
