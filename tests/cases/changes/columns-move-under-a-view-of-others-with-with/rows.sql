CREATE VIEW theirs AS WITH q (i, n, e) AS (SELECT * FROM b) SELECT n FROM q;
