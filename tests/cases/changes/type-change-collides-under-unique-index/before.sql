CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, kind TEXT, twice AS (a || a));
CREATE UNIQUE INDEX t_a ON t (upper(a)) WHERE kind IS NULL;
CREATE UNIQUE INDEX t_kind ON t (kind);
CREATE UNIQUE INDEX t_twice ON t (twice);
