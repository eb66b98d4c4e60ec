INSERT INTO search (a) VALUES ('only here');
