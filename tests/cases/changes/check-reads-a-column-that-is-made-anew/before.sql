CREATE TABLE t (id INTEGER PRIMARY KEY, a, b AS (coalesce(a, 0)) CHECK (typeof(b) = 'integer'));
