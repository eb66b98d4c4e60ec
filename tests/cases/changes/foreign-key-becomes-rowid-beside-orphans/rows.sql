PRAGMA foreign_keys = off;
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES ('a', 1), ('b', 2);
