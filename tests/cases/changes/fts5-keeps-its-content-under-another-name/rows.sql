INSERT INTO x VALUES (1, 'running dogs', 'b');
INSERT INTO search (search) VALUES ('rebuild');
