-- @run after
DELETE FROM p WHERE id = 1;
