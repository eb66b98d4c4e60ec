-- @run after
INSERT INTO copies (id, a) SELECT id, upper(a) FROM t;
