CREATE TABLE o (id INTEGER PRIMARY KEY, net INT, vat INT AS (net * 19 / 100), gross INT);
