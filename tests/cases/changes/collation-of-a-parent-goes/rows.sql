INSERT INTO p VALUES ('x'), ('y');
INSERT INTO c VALUES ('x'), ('Y');
