-- @run after
INSERT INTO t VALUES (1);
