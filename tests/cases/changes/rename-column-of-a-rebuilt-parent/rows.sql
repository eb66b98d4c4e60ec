INSERT INTO p VALUES (1, 'x');
INSERT INTO c VALUES (1, 'x'), (2, 'nobody');
