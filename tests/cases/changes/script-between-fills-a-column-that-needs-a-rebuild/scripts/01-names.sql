-- @run between
-- @needs people.first, people.last
UPDATE people SET name = first || ' ' || last, state = iif(id = 1, 'old', state), badge = iif(id = 2, 'two', badge);
