INSERT INTO docs VALUES (1, vector32('[1,0]')), (2, vector32('[0,1]'));
