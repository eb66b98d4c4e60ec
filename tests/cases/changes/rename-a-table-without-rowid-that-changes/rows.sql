INSERT INTO words VALUES ('a', 2), ('b', 3);
