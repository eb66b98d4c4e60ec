INSERT INTO x VALUES (1, 'a'), (2, 'b');
INSERT INTO y VALUES (1, 'a'), (2, 'c');
CREATE VIEW theirs AS SELECT count(*) FROM x NATURAL JOIN y;
