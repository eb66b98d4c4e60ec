INSERT INTO docs VALUES (1, 'first', 'hello world');
