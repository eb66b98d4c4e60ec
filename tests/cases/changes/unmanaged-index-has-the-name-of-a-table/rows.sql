CREATE INDEX x ON t (id);
