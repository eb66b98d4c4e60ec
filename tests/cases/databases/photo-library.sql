CREATE TABLE Albums(id_local INTEGER PRIMARY KEY,name TEXT COLLATE NOCASE,parent INTEGER REFERENCES "Albums_old" (id_local) ON DELETE SET NULL,sortBy INTEGER DEFAULT -1);
CREATE TABLE Photos (
	id_local	INTEGER PRIMARY KEY,
	album	INTEGER NOT NULL REFERENCES Albums,
	fileName	TEXT NOT NULL,
	taken	INTEGER,
	"year"	INTEGER GENERATED ALWAYS AS (taken / 31556952 + 1970) STORED,
	rating	REAL DEFAULT 0.5,
	hash	BLOB UNIQUE,
	meta	TEXT CHECK (meta IS NULL OR json_valid(meta)),
	CONSTRAINT one_name UNIQUE (album, fileName)
);
CREATE INDEX photos_by_year ON Photos ("year", rating DESC) WHERE rating > 0.5;
CREATE INDEX photos_by_camera ON Photos (json_extract(meta, '$.camera'));
CREATE VIRTUAL TABLE places USING rtree(id, minLat, maxLat, minLon, maxLon);
CREATE TABLE Tags (id INTEGER PRIMARY KEY, pid INTEGER, name TEXT NOT NULL, icon TEXT, UNIQUE (name, pid));
CREATE TABLE PhotoTags (photo INTEGER NOT NULL REFERENCES Photos (id_local) ON DELETE CASCADE, tag INTEGER NOT NULL, PRIMARY KEY (photo, tag), FOREIGN KEY (tag) REFERENCES Tags (id) DEFERRABLE INITIALLY DEFERRED) WITHOUT ROWID;
CREATE TRIGGER tag_without_cycle BEFORE UPDATE OF pid ON Tags WHEN NEW.pid = OLD.id BEGIN SELECT RAISE(ABORT, 'a tag cannot contain itself'); END;
CREATE TRIGGER photo_gone AFTER DELETE ON Photos FOR EACH ROW BEGIN DELETE FROM places WHERE id = OLD.id_local; END;
CREATE VIEW old_thumbnails AS SELECT t.path FROM Thumbnails t JOIN Photos p ON p.id_local = t.photo;
INSERT INTO Albums VALUES (1, 'all', NULL, 1);
INSERT INTO Photos (id_local, album, fileName, taken, meta) VALUES (7, 1, 'a.jpg', 1600000000, '{"camera": "box"}'), (9, 1, 'b.jpg', NULL, NULL);
INSERT INTO places VALUES (7, 1, 2, 3, 4);
INSERT INTO Tags (name) VALUES ('sea');
INSERT INTO PhotoTags VALUES (7, 1);
