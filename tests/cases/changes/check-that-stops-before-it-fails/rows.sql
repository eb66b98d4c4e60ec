INSERT INTO notes VALUES (1, '{"a":1}'), (2, '{');
INSERT INTO events VALUES (1, '{"a":1}'), (2, '{');
