INSERT INTO old_table VALUES (1, 'x', 'y'), (2, 'z', NULL);
INSERT INTO child VALUES (1, 1);
DELETE FROM old_table WHERE id = 2;
