CREATE TABLE article_content (id INTEGER PRIMARY KEY, body TEXT);
CREATE VIRTUAL TABLE article USING fts5 (body, content='article_content', content_rowid='id');
