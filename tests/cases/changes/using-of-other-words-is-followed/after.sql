CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  price INTEGER NOT NULL -- @using price / 10
);
