-- @run between
-- @needs users.address
INSERT INTO addresses (user_id, line) SELECT id, address FROM users WHERE address IS NOT NULL
ON CONFLICT (user_id) DO NOTHING;
