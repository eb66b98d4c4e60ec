-- @run before
UPDATE t SET a = a || id;
