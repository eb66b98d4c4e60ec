CREATE TABLE IF NOT EXISTS "T" ( -- comments
  /* everywhere */ d TEXT CHECK (length(d) < 5), c INTEGER DEFAULT 1 /* , */, 'b' TEXT DEFAULT 'x',
  A TEXT UNIQUE ON CONFLICT ABORT NOT NULL COLLATE BINARY, -- the column a
  Id INTEGER PRIMARY KEY NOT NULL
  -- the end
);
CREATE INDEX "t_b" ON `t` ([b]);
CREATE VIEW "v" AS /* all */ SELECT "a", b FROM t WHERE a <> 'x';
CREATE TRIGGER r DELETE ON t BEGIN SELECT 1; END;
CREATE TABLE p (x INTEGER, y INTEGER, n INTEGER DEFAULT +1, PRIMARY KEY (x, y));
CREATE TABLE c (a INTEGER, b INTEGER, FOREIGN KEY (b, a) REFERENCES p (y, x));
CREATE VIRTUAL TABLE words USING fts5 (a, tokenize = "porter", content = "");
