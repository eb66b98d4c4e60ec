INSERT INTO search (rowid, title, body) VALUES (1, 'cat', 'dog'), (2, 'dog', 'cat cat cat');
INSERT INTO search (search, rank) VALUES ('rank', 'bm25(100.0, 1.0)');
INSERT INTO search (search, rank) VALUES ('automerge', 8);
