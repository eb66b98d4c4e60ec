-- @run after
-- @needs users.address

UPDATE users SET line = address;
