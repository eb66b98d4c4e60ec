CREATE TABLE "select" ("from" INTEGER PRIMARY KEY, "a ""b"" c" TEXT, [x y] TEXT, `k``k` TEXT);
CREATE TABLE "наименование с пробелом" ("ключ" INTEGER PRIMARY KEY, 名前 TEXT REFERENCES "select" ("from"));
CREATE INDEX "index" ON "select" ("a ""b"" c", [x y]);
CREATE VIEW "it's a view" AS SELECT "from", "a ""b"" c" FROM "select";
CREATE TRIGGER [order] AFTER DELETE ON "наименование с пробелом" BEGIN DELETE FROM "select" WHERE "from" = old."ключ"; END;
