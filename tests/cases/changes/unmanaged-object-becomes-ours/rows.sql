CREATE TABLE adopted (a TEXT);
INSERT INTO adopted VALUES ('x');
