INSERT INTO part VALUES ('x', 1), ('y', 2);
CREATE TABLE theirs (a TEXT, b INTEGER, FOREIGN KEY (a, b) REFERENCES part);
INSERT INTO theirs VALUES ('x', 1);
