CREATE TABLE t (id INTEGER PRIMARY KEY, a);
-- @renamed from=old_a
CREATE INDEX new_a ON t (a);
