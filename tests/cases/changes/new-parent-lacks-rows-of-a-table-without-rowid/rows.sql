INSERT INTO c VALUES ('it''s', 1, 5, 6), ('b', 2, NULL, 6), ('c', 3, 1, NULL);
