INSERT INTO p VALUES (1, 'x'), (2, 'y');
INSERT INTO c VALUES (10, 1), (11, 1), (12, 2), (13, NULL);
