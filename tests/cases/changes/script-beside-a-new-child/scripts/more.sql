-- @run after
INSERT INTO p (id) VALUES (2);
