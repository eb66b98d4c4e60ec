CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER);
CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT);
CREATE INDEX i_where ON t (a) WHERE n > 5;
CREATE INDEX i_expression ON t (lower(a));
CREATE INDEX i_order ON t (n DESC);
CREATE INDEX i_collation ON t (a);
CREATE INDEX i_unique ON t (a);
CREATE INDEX i_table ON t (a);
CREATE INDEX i_gone ON t (n);
