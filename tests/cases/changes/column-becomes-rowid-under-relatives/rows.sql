INSERT INTO t (code) VALUES ('x'), ('gone'), ('y');
DELETE FROM t WHERE code = 'gone';
INSERT INTO child VALUES (1, 'x'), (2, 'y');
