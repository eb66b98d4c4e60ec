-- @renamed from=old_people
CREATE TABLE people (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (length(name) > 2),
  state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'old')),
  made INTEGER NOT NULL DEFAULT (1 + 1),
  -- @using 'b' || id
  badge TEXT NOT NULL
);
CREATE TABLE notes (id INTEGER PRIMARY KEY, person INTEGER REFERENCES people (id) ON DELETE CASCADE);
CREATE VIEW names AS SELECT name FROM people;
