INSERT INTO old_name VALUES (1, 'x', 'y');
CREATE INDEX theirs ON old_name (b);
