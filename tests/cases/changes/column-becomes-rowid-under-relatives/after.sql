CREATE TABLE t (
  rowid TEXT NOT NULL UNIQUE, -- @renamed from=code
  a TEXT CHECK (rowid <> '')
);
CREATE TABLE child (id INTEGER PRIMARY KEY, code TEXT REFERENCES t (rowid) ON DELETE CASCADE);
CREATE INDEX t_code ON t (lower(rowid));
CREATE VIEW codes AS SELECT rowid AS code FROM t;
CREATE TRIGGER t_insert AFTER INSERT ON t BEGIN UPDATE t SET a = new.rowid WHERE rowid = new.rowid; END;
