INSERT INTO search VALUES ('a', 'b', 'c');
INSERT INTO boxes VALUES (1, 2, 3);
