-- @run before
UPDATE t SET a = '' WHERE a IS NULL;
