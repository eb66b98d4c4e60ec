-- Views: the questions people ask of the data most often.

-- Active questions, each with the number of its channel mappings (0 when it has none).
CREATE VIEW v_active_questions AS
SELECT
    questions.*,
    COUNT(DISTINCT channel_mappings.id) AS channel_count
FROM questions
LEFT JOIN channel_mappings ON channel_mappings.question_id = questions.id
WHERE questions.status = 'active'
GROUP BY questions.id;


-- What each bot did so far. The total also counts the actions verify and flag.
CREATE VIEW v_bot_activity AS
SELECT
    bot_name,
    COUNT(*)                                  AS total_actions,
    COUNT(*) FILTER (WHERE action = 'create') AS creates,
    COUNT(*) FILTER (WHERE action = 'update') AS updates,
    COUNT(*) FILTER (WHERE action = 'delete') AS deletes,
    MAX(created_at)                           AS last_action
FROM bot_ledger
GROUP BY bot_name;


-- Sessions under way, by type: how many, how far on average (percent), and how many items are done in all.
CREATE VIEW v_active_sessions AS
SELECT
    session_type,
    COUNT(*)             AS total_sessions,
    AVG(progress)        AS avg_progress,
    SUM(completed_items) AS total_completed
FROM user_sessions
WHERE status = 'active'
GROUP BY session_type;
