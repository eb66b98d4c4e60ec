-- @run after
INSERT INTO p VALUES (2);
