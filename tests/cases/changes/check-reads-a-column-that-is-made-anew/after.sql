CREATE TABLE t (id INTEGER PRIMARY KEY, c DEFAULT 'none', b AS (coalesce(c, 0)) CHECK (typeof(b) = 'integer'));
