CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  "full name" TEXT,
  nick TEXT,
  initial AS (substr(nick, 1, 1))
);
