-- @run before
UPDATE c SET note = note || '!';
