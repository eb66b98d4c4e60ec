-- @run after
UPDATE t SET b = 'x';
INSERT INTO t VALUES (9, 'for b', 'for c');
