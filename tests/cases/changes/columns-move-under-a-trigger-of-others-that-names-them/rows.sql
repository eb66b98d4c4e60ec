INSERT INTO t VALUES (1, 'a', 'b');
CREATE TRIGGER theirs AFTER INSERT ON log BEGIN INSERT INTO t (id, a, b) VALUES (new.rowid + 1, new.line, 'b'); SELECT count(*), 2 * 3 FROM t; END;
