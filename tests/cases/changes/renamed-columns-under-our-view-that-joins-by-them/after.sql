CREATE TABLE x (key INTEGER PRIMARY KEY, -- @renamed from=id
  a TEXT);
CREATE TABLE y (key INTEGER PRIMARY KEY, -- @renamed from=id
  b TEXT);
CREATE VIEW both_of_them AS SELECT key, a, b FROM x JOIN y USING (key);
CREATE TABLE log (n);
CREATE TRIGGER note AFTER INSERT ON x BEGIN INSERT INTO log SELECT count(*) FROM x JOIN y USING (key); END;
