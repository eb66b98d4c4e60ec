CREATE TABLE t (id INTEGER PRIMARY KEY, old_name TEXT UNIQUE, CHECK (length(old_name) < 9));
CREATE TABLE child (id INTEGER PRIMARY KEY, p TEXT REFERENCES t (old_name));
CREATE INDEX i ON t (lower(old_name)) WHERE old_name IS NOT NULL;
CREATE VIEW v AS SELECT old_name FROM t;
CREATE TRIGGER r AFTER UPDATE OF old_name ON t BEGIN SELECT new.old_name; END;
