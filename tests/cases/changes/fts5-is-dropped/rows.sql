INSERT INTO search VALUES ('x');
