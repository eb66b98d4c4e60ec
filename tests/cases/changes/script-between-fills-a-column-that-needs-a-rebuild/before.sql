CREATE TABLE old_people (id INTEGER PRIMARY KEY, first TEXT, last TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY, person INTEGER REFERENCES old_people (id) ON DELETE CASCADE);
CREATE VIEW names AS SELECT first || ' ' || last AS name FROM old_people;
