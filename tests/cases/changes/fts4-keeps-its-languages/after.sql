CREATE VIRTUAL TABLE search USING fts4(title, body, languageid="language");
