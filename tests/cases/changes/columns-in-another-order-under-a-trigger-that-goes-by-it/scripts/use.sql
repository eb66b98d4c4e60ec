-- @run after
INSERT INTO l VALUES ('A2');
