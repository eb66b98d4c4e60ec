INSERT INTO users VALUES ('u1', 'Street 1'), ('u2', NULL);
