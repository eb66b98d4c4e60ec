INSERT INTO old_name VALUES (1);
CREATE VIEW theirs AS SELECT * FROM nowhere;
