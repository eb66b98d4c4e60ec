INSERT INTO old_name VALUES (5, 'x');
INSERT INTO child VALUES (1, 5);
CREATE VIEW theirs AS SELECT id FROM old_name;
