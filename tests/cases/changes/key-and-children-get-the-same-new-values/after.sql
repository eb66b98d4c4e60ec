CREATE TABLE p (id INT NOT NULL UNIQUE -- @using id + 1
);
CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p (id) -- @using p + 1
);
