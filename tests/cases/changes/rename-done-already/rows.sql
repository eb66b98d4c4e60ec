INSERT INTO new_name VALUES (1, 'x');
