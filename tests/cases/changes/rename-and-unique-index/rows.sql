INSERT INTO old_name VALUES (1, 'x'), (2, 'x'), (3, 'y');
