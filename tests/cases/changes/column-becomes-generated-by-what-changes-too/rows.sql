INSERT INTO o (id, net, gross) VALUES (1, 100, 119), (2, 0, 0);
