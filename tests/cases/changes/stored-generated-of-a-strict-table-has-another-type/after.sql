CREATE TABLE t (a TEXT, b INT, c INT AS (length(a)) VIRTUAL CHECK (c > 0), d INT AS (a || 'x') STORED) STRICT;
