INSERT INTO docs VALUES (3, 'running'), (5, 'walked');
INSERT INTO search (search) VALUES ('rebuild');
