CREATE VIRTUAL TABLE search USING fts5("Title", [body] UNINDEXED, 'note', prefix = '2');
CREATE VIRTUAL TABLE boxes USING rtree(id, "low", high);
