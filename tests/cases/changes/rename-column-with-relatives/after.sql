CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  -- @renamed from="old_name"
  "new name" TEXT UNIQUE,
  CHECK (length("new name") < 9)
);
CREATE TABLE child (id INTEGER PRIMARY KEY, p TEXT REFERENCES t ("new name"));
CREATE INDEX i ON t (lower("new name")) WHERE "new name" IS NOT NULL;
CREATE VIEW v AS SELECT "new name" FROM t;
CREATE TRIGGER r AFTER UPDATE OF "new name" ON t BEGIN SELECT new."new name"; END;
