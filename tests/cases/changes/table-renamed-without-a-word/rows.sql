INSERT INTO "all users" VALUES (1, 'Ada', 36);
