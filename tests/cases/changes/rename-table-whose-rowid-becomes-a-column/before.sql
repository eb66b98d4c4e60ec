CREATE TABLE users (name, "rowid");
