CREATE TABLE [states meta] ([metadata id] INTEGER NOT NULL, [entity] VARCHAR(255), PRIMARY KEY ([metadata id]));
CREATE TABLE "states" (
	"state_id" INTEGER NOT NULL,
	"true" CHAR(1),
	"null" VARCHAR(255) DEFAULT 'unknown',
	"order" BIGINT,
	"group" DOUBLE DEFAULT 1e3,
	"old state" INTEGER,
	"meta" INTEGER,
	PRIMARY KEY ("state_id"),
	FOREIGN KEY("old state") REFERENCES "states" ("state_id"),
	FOREIGN KEY("meta") REFERENCES "states meta" ("metadata id")
);
CREATE UNIQUE INDEX "index" ON "states" ("true", "order");
CREATE INDEX "ix states" ON "states" ("meta", "group") WHERE "true" IN (0, 1);
CREATE TABLE turso_sensors (rowid TEXT, "oid" INTEGER, libsql_kind TEXT DEFAULT ('a' || 'b'));
CREATE TABLE statistics_runs (run_id INTEGER PRIMARY KEY, start DATETIME NOT NULL, run BLOB REFERENCES recorder_runs (run_id));
CREATE TABLE empty_one ("");
CREATE VIEW "current" AS SELECT s.*, m.entity FROM "states" AS s, [states meta] m WHERE m."metadata id" = s."meta" AND s."true" IS NOT NULL;
CREATE TRIGGER "after" AFTER UPDATE OF "true", "null" ON "states" WHEN NEW."true" <> OLD."true" BEGIN UPDATE "states" SET "order" = coalesce(OLD."order", 0) + 1 WHERE "state_id" = NEW."state_id"; END;
CREATE TRIGGER "lost" AFTER DELETE ON statistics_runs BEGIN INSERT INTO audit_log VALUES (OLD.run_id, 'gone'); END;
INSERT INTO [states meta] VALUES (1, 'light.hall');
INSERT INTO "states" ("state_id", "true", "order", "meta") VALUES (1, '1', 10, 1), (2, '0', 20, 1), (3, NULL, 30, NULL);
