CREATE TABLE t (
  id INTEGER PRIMARY KEY,
  new TEXT, --	@renamed	from=old
  /* @using
     upper(new) */
  other TEXT NOT NULL
);
