INSERT INTO p VALUES (1, 'a'), (2, 'B');
INSERT INTO c VALUES (1, 'a'), (2, 'B'), (3, 'nobody');
