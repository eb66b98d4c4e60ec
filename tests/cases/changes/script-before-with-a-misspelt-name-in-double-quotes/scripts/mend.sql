-- @run before

UPDATE users SET mail = lower("mial");
