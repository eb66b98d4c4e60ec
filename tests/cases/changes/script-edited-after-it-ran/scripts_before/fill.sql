-- @run after
INSERT INTO t (id) VALUES (1);
