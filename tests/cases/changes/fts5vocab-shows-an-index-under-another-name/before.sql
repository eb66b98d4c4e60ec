CREATE VIRTUAL TABLE f USING fts5 (body);
CREATE VIRTUAL TABLE words USING fts5vocab ('f', 'row');
CREATE VIRTUAL TABLE terms USING fts5vocab ('f', 'row');
