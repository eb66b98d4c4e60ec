INSERT INTO docs VALUES (5, 'hello world');
INSERT INTO search (search) VALUES ('rebuild');
