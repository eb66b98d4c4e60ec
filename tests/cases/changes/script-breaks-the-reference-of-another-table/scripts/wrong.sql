-- @run after
UPDATE c SET p = 5;
