-- @run before
DELETE FROM p WHERE id = 1;
