-- @renamed from=f
CREATE VIRTUAL TABLE search USING fts5(a);
-- @renamed from=b
CREATE VIRTUAL TABLE boxes USING rtree(id, low, high);
-- @renamed from=c
CREATE VIRTUAL TABLE stems USING fts5(a, tokenize=porter);
