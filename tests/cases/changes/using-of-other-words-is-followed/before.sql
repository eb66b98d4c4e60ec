CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  price INTEGER -- @using CAST(round(price * 100) AS INTEGER)
);
