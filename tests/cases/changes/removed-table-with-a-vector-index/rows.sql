INSERT INTO kept VALUES (1);
INSERT INTO gone VALUES (1, vector32('[1,2]'));
