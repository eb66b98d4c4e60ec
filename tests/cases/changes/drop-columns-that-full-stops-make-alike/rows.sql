INSERT INTO a VALUES (1, 'x'), (2, 'y');
INSERT INTO "a.b" VALUES (1, 'z');
