CREATE TABLE `feeds` (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `url` TEXT NOT NULL COLLATE NOCASE, `title` VARCHAR(200) DEFAULT '(untitled)', `fetched` DATETIME DEFAULT CURRENT_TIMESTAMP, `broken` TINYINT(1) DEFAULT 0 CHECK (`broken` IN (0, 1)));
CREATE UNIQUE INDEX `feeds_url` ON `feeds` (`url`);
CREATE TABLE entries (
  docid INTEGER PRIMARY KEY,
  feed INTEGER NOT NULL REFERENCES feeds (id) ON DELETE CASCADE ON UPDATE CASCADE,
  guid TEXT NOT NULL,
  title TEXT, body TEXT,
  starred BOOLEAN NOT NULL DEFAULT FALSE,
  score REAL AS (CASE WHEN starred THEN 2.5 ELSE 1 END) VIRTUAL,
  UNIQUE (feed, guid) ON CONFLICT IGNORE
);
CREATE INDEX entries_starred ON entries (feed, docid DESC) WHERE starred;
CREATE VIRTUAL TABLE entry_search USING fts4(content="entries", title, body, tokenize=unicode61);
CREATE VIRTUAL TABLE entry_terms USING fts4aux(entry_search);
CREATE TRIGGER entries_bu BEFORE UPDATE ON entries BEGIN DELETE FROM entry_search WHERE docid = old.docid; END;
CREATE TRIGGER entries_bd BEFORE DELETE ON entries BEGIN DELETE FROM entry_search WHERE docid = old.docid; END;
CREATE TRIGGER entries_au AFTER UPDATE ON entries BEGIN INSERT INTO entry_search (docid, title, body) VALUES (new.docid, new.title, new.body); END;
CREATE TRIGGER entries_ai AFTER INSERT ON entries BEGIN INSERT INTO entry_search (docid, title, body) VALUES (new.docid, new.title, new.body); END;
CREATE VIEW unread_by_feed (feed, unread) AS SELECT f.title, count(e.docid) FROM feeds AS f LEFT JOIN entries e ON e.feed = f.id GROUP BY f.id;
CREATE TABLE android_metadata (locale TEXT);
INSERT INTO feeds (url) VALUES ('https://example.org/a'), ('https://example.org/b');
INSERT INTO entries (feed, guid, title, body, starred) VALUES (1, 'g1', 'First', 'words here', 1), (2, 'g1', NULL, NULL, 0);
