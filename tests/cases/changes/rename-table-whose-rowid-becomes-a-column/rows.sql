INSERT INTO users VALUES ('a', 1), ('a', 2);
