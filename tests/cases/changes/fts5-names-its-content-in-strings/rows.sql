INSERT INTO docs VALUES (1, 'alpha');
INSERT INTO f (f) VALUES ('rebuild');
