INSERT INTO docs (title, body) VALUES ('one', 'apple'), ('two', 'pear'), ('three', 'plum');
DELETE FROM docs WHERE title = 'one';
INSERT INTO search (search, rowid, title, body) VALUES ('delete', 1, 'one', 'apple');
