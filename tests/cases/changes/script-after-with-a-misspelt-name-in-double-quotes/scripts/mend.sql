-- @run after

UPDATE users SET mail = lower("mial");
