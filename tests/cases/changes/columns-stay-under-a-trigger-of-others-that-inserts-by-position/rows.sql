INSERT INTO t VALUES (1, 'a', 'b');
CREATE TRIGGER theirs AFTER INSERT ON log BEGIN INSERT INTO t VALUES (new.rowid + 1, new.line, 'b'); END;
