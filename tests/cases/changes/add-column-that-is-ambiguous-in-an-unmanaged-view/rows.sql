CREATE VIEW theirs AS SELECT bid, name FROM b JOIN a ON a.id = b.a;
