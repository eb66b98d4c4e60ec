INSERT INTO "straße using" VALUES ('running');
