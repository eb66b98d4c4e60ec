INSERT INTO t (oid, rowid, a) VALUES (5, 'x', 'y'), (9, 'z', NULL);
