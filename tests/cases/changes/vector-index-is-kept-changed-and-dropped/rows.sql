INSERT INTO kept VALUES (1, 'x', vector32('[1,2]')), (2, 'y', vector32('[9,9]'));
INSERT INTO changed VALUES (1, vector32('[1,2]')), (2, vector32('[9,9]'));
INSERT INTO dropped VALUES (1, vector32('[1,2]'));
