-- @run before
UPDATE t SET a = 'x' WHERE id = 1;
