CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  EMail -- @renamed from=email
);
