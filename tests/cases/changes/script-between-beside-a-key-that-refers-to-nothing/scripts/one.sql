-- @run between
DELETE FROM p WHERE id = 1;
