INSERT INTO t VALUES (10, 'x'), (20, 'y');
CREATE TRIGGER theirs AFTER INSERT ON log BEGIN UPDATE t SET a = 'seen' WHERE rowid = new.t; END;
