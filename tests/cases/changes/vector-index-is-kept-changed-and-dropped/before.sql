CREATE TABLE kept (id INTEGER PRIMARY KEY, a TEXT, e F32_BLOB(2));
CREATE INDEX kept_e ON kept (libsql_vector_idx(e));
CREATE TABLE changed (id INTEGER PRIMARY KEY, e F32_BLOB(2));
CREATE INDEX changed_e ON changed (libsql_vector_idx(e));
CREATE TABLE dropped (id INTEGER PRIMARY KEY, e F32_BLOB(2));
CREATE INDEX dropped_e ON dropped (libsql_vector_idx(e));
