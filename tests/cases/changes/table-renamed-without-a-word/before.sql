CREATE TABLE "all users" (id INTEGER PRIMARY KEY, name TEXT, age);
