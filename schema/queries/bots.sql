-- The next work for a bot.
-- Most urgent first, then oldest.
SELECT id, item_type, item_id, action, priority
FROM work_queue
WHERE status = 'pending' AND assigned_to = 'verifier'
ORDER BY priority, created_at
LIMIT 10;

-- What each bot did so far.
SELECT bot_name, total_actions, creates, updates, deletes, last_action
FROM v_bot_activity
ORDER BY total_actions DESC, bot_name;

-- The last run of each bot.
SELECT bot_name, MAX(started_at) AS started_at, status, items_processed
FROM bot_runs
GROUP BY bot_name
ORDER BY bot_name;
