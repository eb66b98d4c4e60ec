INSERT INTO c VALUES (1, 1), (2, 2), (30, 3), (31, 4);
