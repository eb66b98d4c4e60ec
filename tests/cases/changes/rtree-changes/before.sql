CREATE VIRTUAL TABLE places USING rtree(id, x1, x2);
CREATE VIRTUAL TABLE kept USING rtree(id, x1, x2);
CREATE VIRTUAL TABLE gone USING rtree(id, x1, x2);
