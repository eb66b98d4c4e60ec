CREATE TABLE docs (
  id INTEGER PRIMARY KEY,
  title TEXT,
  body TEXT NOT NULL -- @using replace(body, 'hello', 'bye')
);
CREATE VIRTUAL TABLE ft USING fts5(body, content=docs, content_rowid=id);
CREATE VIRTUAL TABLE titles USING fts5(title, content=docs, content_rowid=id);
CREATE TRIGGER docs_new AFTER INSERT ON docs BEGIN
  INSERT INTO ft (rowid, body) VALUES (new.id, new.body);
  INSERT INTO titles (rowid, title) VALUES (new.id, new.title);
END;
