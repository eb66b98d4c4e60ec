-- @run between
-- @needs users."address"
UPDATE users SET mail = address;
