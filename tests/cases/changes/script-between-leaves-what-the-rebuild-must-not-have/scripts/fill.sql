-- @run between
UPDATE t SET b = a WHERE id = 1;
