INSERT INTO old_people VALUES (1, 'Ada', 'Lovelace'), (2, 'Alan', 'Turing'), (3, 'Grace', 'Hopper');
INSERT INTO notes VALUES (1, 1), (2, 2);
