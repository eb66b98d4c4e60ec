-- @renamed from=words
CREATE TABLE vocabulary (word TEXT PRIMARY KEY, n INT CHECK (n > 1)) WITHOUT ROWID;
