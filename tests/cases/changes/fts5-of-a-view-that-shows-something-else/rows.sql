INSERT INTO x VALUES (1, 'cat', 'dog');
INSERT INTO search (search) VALUES ('rebuild');
INSERT INTO others (others) VALUES ('rebuild');
