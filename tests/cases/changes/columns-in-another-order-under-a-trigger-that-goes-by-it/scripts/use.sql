-- @run after
INSERT INTO l (z) VALUES ('A2');
