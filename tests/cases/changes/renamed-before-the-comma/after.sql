CREATE TABLE t (id INTEGER PRIMARY KEY, new TEXT /* @renamed from=old */, extra TEXT /* a, b */, /* of more */ more TEXT);
