CREATE TABLE turso_databases (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
CREATE TABLE backups (id INTEGER PRIMARY KEY, size INTEGER, in_database INTEGER REFERENCES turso_databases (id));
CREATE UNIQUE INDEX libsql_sizes ON backups (size, in_database);
CREATE VIEW _litestream_sizes AS SELECT max(size) AS size FROM backups;
