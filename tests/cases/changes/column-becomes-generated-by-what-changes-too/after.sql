CREATE TABLE o (id INTEGER PRIMARY KEY, net INT, vat INT AS (net * 20 / 100), gross INT AS (net + vat));
