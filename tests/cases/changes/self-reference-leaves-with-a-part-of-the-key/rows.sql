INSERT INTO part VALUES ('x', 1), ('y', 2);
