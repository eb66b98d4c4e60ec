INSERT INTO f VALUES ('hello');
