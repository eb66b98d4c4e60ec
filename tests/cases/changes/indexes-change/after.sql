CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER);
CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT);
CREATE INDEX i_where ON t (a) WHERE n > 6;
CREATE INDEX i_expression ON t (upper(a));
CREATE INDEX i_order ON t (n);
CREATE INDEX i_collation ON t (a COLLATE NOCASE);
CREATE UNIQUE INDEX i_unique ON t (a);
CREATE INDEX i_table ON u (a);
CREATE INDEX i_new ON u (a) WHERE a <> '';
