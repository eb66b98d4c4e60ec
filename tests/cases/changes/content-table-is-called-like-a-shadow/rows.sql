INSERT INTO article_content VALUES (1, 'hello'), (3, 'there');
INSERT INTO article (article) VALUES ('rebuild');
