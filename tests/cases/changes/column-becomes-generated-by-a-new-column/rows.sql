INSERT INTO o (id, net) VALUES (1, 6);
