CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT CHECK (NOT json_valid(body) OR body ->> 'a' = 1));
CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT, kind TEXT CHECK (json_valid(body) = 0 OR body ->> 'a' = 1));
