INSERT INTO users VALUES (1, 2, 'ann'), (2, 1, 'bob'), (3, 3, 'eve');
INSERT INTO posts VALUES (1, 1), (2, 1), (3, 3), (4, NULL);
