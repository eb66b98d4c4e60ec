CREATE TABLE p (
  id INTEGER PRIMARY KEY,
  kode TEXT UNIQUE, -- @renamed from=code
  n INT CHECK (n > 0 AND kode <> ''),
  g AS (kode || 'x')
);
CREATE TABLE c (id INTEGER PRIMARY KEY, pc TEXT REFERENCES p (kode) ON UPDATE CASCADE);
CREATE INDEX i ON p (lower(kode)) WHERE kode IS NOT NULL;
CREATE VIEW v AS SELECT kode, row_number() OVER (PARTITION BY n ORDER BY kode) AS r FROM p;
CREATE VIEW w AS SELECT kode AS shown FROM v;
CREATE TRIGGER t1 AFTER UPDATE OF kode ON p WHEN old.kode <> new.kode BEGIN
  UPDATE c SET pc = new.kode WHERE pc = old.kode;
END;
CREATE TRIGGER t2 INSTEAD OF INSERT ON v BEGIN INSERT INTO p (kode, n) VALUES (new.kode, 1); END;
CREATE TRIGGER t3 INSTEAD OF DELETE ON w BEGIN DELETE FROM p WHERE kode = old.shown; END;
