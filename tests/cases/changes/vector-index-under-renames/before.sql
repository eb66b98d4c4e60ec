CREATE TABLE docs (id INTEGER PRIMARY KEY, e F32_BLOB(2));
CREATE INDEX docs_e ON docs (libsql_vector_idx(e));
