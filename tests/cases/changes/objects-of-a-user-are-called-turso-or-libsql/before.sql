CREATE TABLE turso_databases (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE backups (id INTEGER PRIMARY KEY, size INTEGER, in_database INTEGER REFERENCES turso_databases (id));
CREATE UNIQUE INDEX libsql_sizes ON backups (size);
CREATE VIEW _litestream_sizes AS SELECT size FROM backups;
CREATE TRIGGER turso_guard BEFORE DELETE ON backups BEGIN SELECT RAISE(ABORT, 'keep'); END;
