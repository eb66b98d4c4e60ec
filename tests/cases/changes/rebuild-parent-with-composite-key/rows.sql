INSERT INTO p VALUES (1, 'x', 5), (1, 'y', 6);
INSERT INTO c VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 1, NULL);
