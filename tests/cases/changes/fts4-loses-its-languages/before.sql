CREATE VIRTUAL TABLE search USING fts4(title, languageid="language");
