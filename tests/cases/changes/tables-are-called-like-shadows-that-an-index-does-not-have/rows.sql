INSERT INTO notes_docsize VALUES (1);
INSERT INTO old_stat VALUES (2);
