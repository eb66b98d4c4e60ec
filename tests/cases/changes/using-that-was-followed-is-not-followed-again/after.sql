CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  price INTEGER NOT NULL -- @using CAST(round(price * 100) AS INTEGER)
);
