-- @renamed from=f
CREATE VIRTUAL TABLE g USING fts5 (body);
CREATE VIRTUAL TABLE words USING fts5vocab ('g', 'row');
CREATE VIRTUAL TABLE terms USING fts5vocab ('g', 'col');
