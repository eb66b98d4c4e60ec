INSERT INTO t VALUES (1, 'a', 'b');
CREATE TABLE copy (id, a, b);
CREATE TRIGGER theirs AFTER INSERT ON log BEGIN INSERT INTO copy (id, a, b) SELECT * FROM t; END;
