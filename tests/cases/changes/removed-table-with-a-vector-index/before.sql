CREATE TABLE kept (id INTEGER PRIMARY KEY);
CREATE TABLE gone (id INTEGER PRIMARY KEY, e F32_BLOB(2));
CREATE INDEX gone_e ON gone (libsql_vector_idx(e));
