-- @run before
UPDATE users SET a = 'y';
UPDATE userz SET a = 'z';
