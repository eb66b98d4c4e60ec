-- What to ask after a question.
SELECT target_question_id, relationship_type, strength
FROM question_relationships
WHERE source_question_id = 'q-url-shortener'
ORDER BY strength DESC, target_question_id;

-- The history of a question, newest first.
SELECT event_type, event_source, source_name, changes_summary, created_at
FROM question_history
WHERE question_id = 'q-url-shortener' AND question_type = 'question'
ORDER BY created_at DESC;

-- The questions of a voice session, in the order to ask them.
SELECT step.key + 1 AS step, questions.id, questions.question
FROM voice_sessions, json_each(voice_sessions.question_ids) AS step
JOIN questions ON questions.id = step.value
WHERE voice_sessions.id = 'vs-databases-in-practice'
ORDER BY step.key;

-- Resume a session by its key.
SELECT id, progress, session_data
FROM user_sessions
WHERE session_key = 'test-session-aws' AND status = 'active'
ORDER BY last_accessed_at DESC
LIMIT 1;

-- Sessions under way, by type.
SELECT session_type, total_sessions, avg_progress, total_completed
FROM v_active_sessions
ORDER BY session_type;
