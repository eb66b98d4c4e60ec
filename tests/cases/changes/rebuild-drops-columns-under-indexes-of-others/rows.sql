INSERT INTO t VALUES (1, 'w', 'x', 'y', 'z');
CREATE UNIQUE INDEX one ON t (d, a);
CREATE INDEX two ON t (lower(b));
CREATE INDEX three ON t (d) WHERE c IS NOT NULL;
CREATE INDEX stays ON t (d DESC);
