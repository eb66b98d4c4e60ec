INSERT INTO docs VALUES (30, 'alpha'), (10, 'beta'), (20, 'gamma');
INSERT INTO f (f) VALUES ('rebuild');
