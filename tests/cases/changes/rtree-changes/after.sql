CREATE VIRTUAL TABLE places USING rtree(id, x1, x2, +label TEXT);
CREATE VIRTUAL TABLE kept USING rtree(id, x1, x2);
