INSERT INTO f (docid, body) VALUES (7, 'alpha');
