CREATE TABLE t (id INTEGER PRIMARY KEY, e F32_BLOB(2));
CREATE INDEX t_e ON t (libsql_vector_idx(e));
