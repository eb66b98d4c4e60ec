INSERT INTO x VALUES (1, 'running dogs');
INSERT INTO search (a) VALUES ('only here');
