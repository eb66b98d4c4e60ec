CREATE INDEX theirs ON t (a);
