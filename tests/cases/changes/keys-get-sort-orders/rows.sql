INSERT INTO a VALUES ('p'), ('q');
INSERT INTO b VALUES ('p'), (NULL);
INSERT INTO c VALUES ('p', 'q');
