INSERT INTO pages VALUES (1, 'cat', 'dog'), (2, 'dog', 'cat cat cat'), (3, 'cats', 'gone in a moment');
INSERT INTO search (search) VALUES ('rebuild');
INSERT INTO search (search, rank) VALUES ('rank', 'bm25(100.0, 1.0)');
