INSERT INTO search (title, body) VALUES ('one', 'apple'), ('two', 'pear');
