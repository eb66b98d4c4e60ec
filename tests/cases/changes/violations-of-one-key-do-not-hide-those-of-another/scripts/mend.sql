-- @run after
UPDATE c SET a = NULL;
