CREATE TABLE commodities (space TEXT NOT NULL, code TEXT NOT NULL CHECK (length(code) BETWEEN 1 AND 12), fraction INTEGER NOT NULL DEFAULT 100, PRIMARY KEY (space, code));
CREATE TABLE accounts (guid TEXT(32) PRIMARY KEY NOT NULL, name TEXT(2048) NOT NULL, kind TEXT NOT NULL, parent_guid TEXT(32), space TEXT, code TEXT, hidden INTEGER,
  CONSTRAINT "its parent" FOREIGN KEY (parent_guid) REFERENCES accounts (guid) ON UPDATE CASCADE,
  CONSTRAINT "its commodity" FOREIGN KEY (space, code) REFERENCES commodities (space, code));
CREATE TABLE splits (guid CHAR(32) NOT NULL PRIMARY KEY, account CHAR(32) NOT NULL REFERENCES accounts (guid), num BIGINT NOT NULL, denom BIGINT NOT NULL CHECK (denom > 0), memo NVARCHAR(200) COLLATE RTRIM, amount NUMERIC AS (num * 1.0 / denom));
CREATE INDEX splits_account ON splits (account, memo COLLATE NOCASE);
CREATE TABLE prices (guid TEXT PRIMARY KEY, commodity TEXT REFERENCES commodities (code), day DATE);
CREATE VIEW balances AS SELECT a.guid, a.name, total(s.num * 1.0 / s.denom) AS balance FROM accounts a LEFT JOIN splits s ON s.account = a.guid GROUP BY 1, 2;
CREATE VIEW balances_by_kind AS SELECT kind, sum(balance) AS balance, group_concat(b.name, '; ') AS names FROM balances b JOIN accounts USING (guid) GROUP BY kind HAVING count(*) > 0;
CREATE TRIGGER no_loops BEFORE INSERT ON accounts WHEN NEW.guid = NEW.parent_guid BEGIN SELECT RAISE(FAIL, 'an account cannot be its own parent'); END;
CREATE TRIGGER new_account INSTEAD OF INSERT ON balances BEGIN INSERT INTO accounts (guid, name, kind) VALUES (NEW.guid, NEW.name, 'ASSET'); END;
CREATE TABLE lock_of_program (Hostname varchar(255), PID int);
INSERT INTO commodities VALUES ('CURRENCY', 'EUR', 100);
INSERT INTO accounts VALUES ('a', 'Root', 'ROOT', NULL, 'CURRENCY', 'EUR', 0), ('b', 'Bank', 'BANK', 'a', 'CURRENCY', 'EUR', NULL);
INSERT INTO splits (guid, account, num, denom, memo) VALUES ('s', 'b', 1050, 100, 'opening');
