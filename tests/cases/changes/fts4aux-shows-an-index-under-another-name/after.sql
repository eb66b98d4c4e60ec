-- @renamed from=f
CREATE VIRTUAL TABLE g USING fts4 (body);
CREATE VIRTUAL TABLE words USING fts4aux (g);
