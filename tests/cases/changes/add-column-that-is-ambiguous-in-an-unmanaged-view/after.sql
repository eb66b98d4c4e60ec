CREATE TABLE a (id INTEGER PRIMARY KEY, name);
CREATE TABLE b (bid, a, name);
