CREATE TABLE x (id INTEGER PRIMARY KEY, a);
CREATE VIEW shown AS SELECT id AS rowid, a FROM x;
CREATE VIRTUAL TABLE search USING fts5(a, content='x', content_rowid='id');
CREATE TRIGGER feed AFTER INSERT ON x BEGIN
  INSERT INTO search (rowid, a) VALUES (new.id, new.a);
END;
