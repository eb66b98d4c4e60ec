CREATE TABLE c (
  code TEXT,
  "no" INTEGER,
  p,
  q,
  PRIMARY KEY (code, "no")
) WITHOUT ROWID;
