-- @run after
DELETE FROM t WHERE id = 1;
INSERT INTO t (id, email, name) VALUES (2, 'e', 'n');
