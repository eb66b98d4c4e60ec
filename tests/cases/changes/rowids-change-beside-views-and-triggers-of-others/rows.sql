INSERT INTO t VALUES (10, 'x'), (20, 'y');
INSERT INTO log VALUES (1, 'of x'), (2, 'of y');
CREATE VIEW reads_it AS SELECT a FROM t;
CREATE VIEW goes_by_other_rowids AS SELECT note FROM log WHERE rowid = 2;
CREATE TRIGGER stands_on_it AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.rowid, new.a); END;
