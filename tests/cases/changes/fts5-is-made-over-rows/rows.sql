INSERT INTO x VALUES (1, 'running dogs');
