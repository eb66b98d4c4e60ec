CREATE TABLE p (a, b, PRIMARY KEY (a, b));
CREATE TABLE c (
  code TEXT,
  "no" INTEGER,
  p,
  q,
  PRIMARY KEY (code, "no"),
  FOREIGN KEY (q, p) REFERENCES p
) WITHOUT ROWID;
