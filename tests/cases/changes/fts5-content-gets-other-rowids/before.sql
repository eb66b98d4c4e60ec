CREATE TABLE docs (id INT PRIMARY KEY, body TEXT);
CREATE VIRTUAL TABLE f USING fts5(body, content='docs');
