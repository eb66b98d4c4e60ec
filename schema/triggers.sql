-- Triggers: they stamp a changed row with the time, in the one form that every timestamp of this schema has.
--
-- A statement that sets the timestamp itself is left alone: the application's own time stays.

-- Keeps questions.last_updated.
CREATE TRIGGER trg_questions_update
AFTER UPDATE ON questions
FOR EACH ROW
WHEN NEW.last_updated IS OLD.last_updated
BEGIN
    UPDATE questions
    SET last_updated = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    WHERE id = NEW.id;
END;


-- Keeps user_sessions.last_accessed_at.
CREATE TRIGGER trg_user_sessions_access
AFTER UPDATE ON user_sessions
FOR EACH ROW
WHEN NEW.last_accessed_at IS OLD.last_accessed_at
BEGIN
    UPDATE user_sessions
    SET last_accessed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    WHERE id = NEW.id;
END;
