CREATE TABLE t (id INTEGER PRIMARY KEY, state TEXT COLLATE NOCASE CHECK (state IN ('on', 'off')), other TEXT COLLATE NOCASE AS (state || '') CHECK (other = 'on' OR other = 'OFF'));
