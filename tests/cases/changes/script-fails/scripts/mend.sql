-- @run before
UPDATE t SET a = 'y';
INSERT INTO t (id) VALUES (1);
