CREATE VIRTUAL TABLE docs USING fts5 (body, content='docs_content');
CREATE TABLE docs_content (body TEXT);
