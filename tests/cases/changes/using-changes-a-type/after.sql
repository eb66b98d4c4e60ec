CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  price INTEGER NOT NULL DEFAULT 0 -- @using coalesce(CAST(round(price * 100) AS INTEGER), 0)
) STRICT;
