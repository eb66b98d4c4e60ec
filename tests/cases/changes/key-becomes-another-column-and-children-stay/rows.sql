INSERT INTO users VALUES (1, 1, 'ann'), (2, 2, 'bob');
INSERT INTO posts VALUES (1, 1), (2, 1), (3, NULL);
