INSERT INTO turso_databases VALUES (1, 'main');
INSERT INTO backups VALUES (1, 10, 1);
