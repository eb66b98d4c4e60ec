INSERT INTO docs VALUES (1, vector32('[1,1]')), (2, vector32('[8,8]'));
