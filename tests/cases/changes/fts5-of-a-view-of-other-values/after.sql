CREATE TABLE x (id INTEGER PRIMARY KEY, a TEXT, b TEXT NOT NULL -- @using replace(b, 'dog', 'fox')
);
CREATE VIEW base AS SELECT id, a FROM x;
CREATE VIEW shown AS SELECT id, a FROM base;
CREATE VIEW other AS SELECT id, b FROM x;
CREATE VIRTUAL TABLE search USING fts5(a, content='shown', content_rowid='id');
CREATE VIRTUAL TABLE others USING fts5(b, content='other', content_rowid='id');
