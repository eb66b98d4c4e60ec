INSERT INTO goods VALUES (1, 'a');
