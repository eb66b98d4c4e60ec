CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT NOT NULL -- @using upper(body || ' beta')
);
CREATE VIRTUAL TABLE f USING fts5('body', content='docs', content_rowid='id');
