-- @run before
DELETE FROM old_name WHERE a IS NULL;
