CREATE TABLE kept (id INTEGER PRIMARY KEY, a TEXT NOT NULL, e F32_BLOB(2));
CREATE INDEX kept_e ON kept (libsql_vector_idx(e));
CREATE TABLE changed (id INTEGER PRIMARY KEY, e F32_BLOB(2));
CREATE INDEX changed_e ON changed (libsql_vector_idx(e, 'metric=l2'));
CREATE TABLE dropped (id INTEGER PRIMARY KEY, e F32_BLOB(2));
