CREATE VIRTUAL TABLE "straße using" /* using porter */ USING fts5(a);
