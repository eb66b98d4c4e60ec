CREATE TABLE pages (id INTEGER PRIMARY KEY, title TEXT, body TEXT);
CREATE VIRTUAL TABLE search USING fts5(title, body, content = 'pages', content_rowid = 'id', tokenize = 'porter ascii');
CREATE TRIGGER pages_gone AFTER DELETE ON pages BEGIN
  INSERT INTO search (search, rowid, title, body) VALUES ('delete', old.id, old.title, old.body);
END;
