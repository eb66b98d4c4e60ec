INSERT INTO "select" VALUES (1, 'x', 'y', 'z');
INSERT INTO "наименование с пробелом" VALUES (1, 1);
