-- Active questions of a channel, newest first.
-- The page of a channel.
SELECT id, difficulty, created_at
FROM questions
WHERE channel = 'system-design' AND status = 'active'
ORDER BY created_at DESC, id
LIMIT 5;

-- How many active questions each channel has.
SELECT channel_mappings.channel_id, COUNT(*) AS questions
FROM channel_mappings
JOIN questions ON questions.id = channel_mappings.question_id
WHERE questions.status = 'active'
GROUP BY channel_mappings.channel_id
ORDER BY questions DESC, channel_mappings.channel_id;

-- Questions that carry a tag.
-- Tags are a JSON array, so json_each() makes a row of each.
SELECT questions.id, questions.difficulty
FROM questions, json_each(questions.tags) AS tag
WHERE tag.value = 'reliability'
ORDER BY questions.id
LIMIT 5;

-- Questions asked by a company.
SELECT questions.id, questions.channel
FROM questions, json_each(questions.companies) AS company
WHERE company.value = 'Google' AND questions.status = 'active'
ORDER BY questions.id
LIMIT 5;

-- Certifications of a provider.
SELECT id, name, difficulty, estimated_hours, passing_score
FROM certifications
WHERE provider = 'Amazon Web Services' AND status = 'active'
ORDER BY id;

-- The exam domains of a certification, with their weights.
SELECT domain.value ->> 'name' AS domain, domain.value ->> 'weight' AS weight
FROM certifications, json_each(certifications.domains) AS domain
WHERE certifications.id = 'aws-clf'
ORDER BY domain.key;

-- The questions of a learning path, in order.
SELECT step.key + 1 AS step, questions.id, questions.difficulty
FROM learning_paths, json_each(learning_paths.question_ids) AS step
JOIN questions ON questions.id = step.value
WHERE learning_paths.id = 'skill-backend-foundations'
ORDER BY step.key;
