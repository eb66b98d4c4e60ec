INSERT INTO search (docid, title, language) VALUES (3, 'Haus', 2), (5, 'house', 0);
