CREATE TABLE docs (title TEXT, body TEXT);
CREATE VIRTUAL TABLE search USING fts5(title, body, content=docs);
CREATE TRIGGER docs_added AFTER INSERT ON docs BEGIN
  INSERT INTO search (rowid, title, body) VALUES (new.rowid, new.title, new.body);
END;
