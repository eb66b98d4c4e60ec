-- @run after
INSERT INTO copies SELECT id, upper(a) FROM t;
