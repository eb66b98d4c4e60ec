-- @run after
DELETE FROM pages WHERE id = 3;
