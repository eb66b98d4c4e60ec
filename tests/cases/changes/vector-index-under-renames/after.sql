-- @renamed from=docs
CREATE TABLE texts (
  id INTEGER PRIMARY KEY,
  embedding F32_BLOB(2) -- @renamed from=e
);
CREATE INDEX docs_e ON texts (libsql_vector_idx(embedding));
