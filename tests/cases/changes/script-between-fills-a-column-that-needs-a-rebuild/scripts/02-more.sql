-- @run between
-- @needs old_people
INSERT INTO people (id, name) VALUES (4, 'Edsger');
DELETE FROM people WHERE id = 3;
