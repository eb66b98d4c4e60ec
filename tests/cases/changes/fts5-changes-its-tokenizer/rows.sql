INSERT INTO search (rowid, title, body) VALUES (4, 'One', 'running'), (7, 'Two', 'walked');
