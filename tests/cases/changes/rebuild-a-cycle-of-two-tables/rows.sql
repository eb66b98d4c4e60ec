INSERT INTO a VALUES (1, 1, 'x'), (2, NULL, 'y');
INSERT INTO b VALUES (1, 1, 'x'), (2, 2, 'y');
