CREATE INDEX theirs ON p (a);
