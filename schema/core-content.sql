-- Core content: questions, the channels they appear in, and the certifications and learning paths built from them.
--
-- Every timestamp in this schema is text: ISO-8601 in UTC with milliseconds, such as 2026-01-25T09:30:00.000Z.
-- Text of this one form sorts by time.

-- An interview question with its answer and everything the application shows, says or ranks around it. Rows are retired
-- by status, not deleted: other tables refer to them.
CREATE TABLE questions (
    id                     TEXT PRIMARY KEY NOT NULL,  -- chosen by the writer, such as q-7386
    question               TEXT NOT NULL,              -- the question as it is asked
    answer                 TEXT NOT NULL,              -- the short answer
    explanation            TEXT NOT NULL,              -- the long answer, in Markdown
    diagram                TEXT,                       -- Mermaid source
    difficulty             TEXT NOT NULL,              -- beginner, intermediate or advanced
    tags                   TEXT,                       -- JSON: array of strings
    channel                TEXT NOT NULL,              -- topic, such as system-design, or the id of a certification
    sub_channel            TEXT NOT NULL,              -- topic within the channel, or the id of an exam domain
    source_url             TEXT,                       -- where to read more
    videos                 TEXT,                       -- JSON: object {shortVideo, longVideo}, each a URL or null
    companies              TEXT,                       -- JSON: array of strings, the companies known to ask it
    eli5                   TEXT,                       -- explained for a five-year-old
    tldr                   TEXT,                       -- explained in one sentence
    relevance_score        INTEGER,                    -- 0 to 100, how much the question matters today
    relevance_details      TEXT,                       -- JSON: object {score, factors: array}, how the score came about
    job_title_relevance    TEXT,                       -- JSON: object of job title to 0..100, such as {"sre": 95}
    experience_level_tags  TEXT,                       -- JSON: array of entry, mid, senior, staff, principal
    voice_keywords         TEXT,                       -- JSON: array of strings that a spoken answer should contain
    voice_suitable         INTEGER,                    -- 1 when it can be answered aloud, 0 when not
    status                 TEXT DEFAULT 'active',      -- active, flagged or deleted
    is_new                 INTEGER DEFAULT 1,          -- 1 while under seven days old, else 0
    last_updated           TEXT,                       -- time of the last change; kept by trg_questions_update
    created_at             TEXT                        -- when it was made; the application fills it in
);

CREATE INDEX idx_questions_channel ON questions (channel);        -- a channel's page
CREATE INDEX idx_questions_status ON questions (status);          -- active questions; the review list of flagged ones
CREATE INDEX idx_questions_difficulty ON questions (difficulty);
CREATE INDEX idx_questions_created ON questions (created_at);     -- newest first; which ones are still new


-- Which questions appear in which channels, many to many. Channels have no table of their own. Seeds give negative ids:
-- AUTOINCREMENT only ever hands out positive ones, so a seeded row never meets a row of the application.
CREATE TABLE channel_mappings (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,  -- number of the row
    channel_id   TEXT NOT NULL,                               -- channel, such as system-design
    sub_channel  TEXT NOT NULL,                               -- topic within the channel
    question_id  TEXT NOT NULL REFERENCES questions (id)      -- the question that appears there
);

CREATE INDEX idx_channel_mappings_channel ON channel_mappings (channel_id);    -- the questions of a channel
CREATE INDEX idx_channel_mappings_question ON channel_mappings (question_id);  -- the channels of a question


-- A certification one can prepare for, with its exam and how the exam's domains map to channels.
CREATE TABLE certifications (
    id                TEXT PRIMARY KEY NOT NULL,    -- slug, such as aws-saa
    name              TEXT NOT NULL,                -- full name of the certification
    provider          TEXT NOT NULL,                -- who awards it
    description       TEXT NOT NULL,                -- what it proves, in a sentence or two
    icon              TEXT DEFAULT 'award',         -- name of the icon
    color             TEXT DEFAULT 'text-primary',  -- CSS class of the colour
    difficulty        TEXT NOT NULL,                -- beginner, intermediate, advanced or expert
    category          TEXT NOT NULL,                -- cloud, devops, security, data, ai, development or management
    estimated_hours   INTEGER DEFAULT 40,           -- hours of preparation
    exam_code         TEXT,                         -- the provider's code for the exam, such as SAA-C03
    official_url      TEXT,                         -- the provider's page
    domains           TEXT,                         -- JSON: array of {id, name, weight}; weights in percent
    channel_mappings  TEXT,                         -- JSON: array of {channel, subChannel?}, its sources
    tags              TEXT,                         -- JSON: array of strings
    prerequisites     TEXT,                         -- JSON: array of certification ids
    status            TEXT DEFAULT 'active',        -- active, draft or archived
    question_count    INTEGER DEFAULT 0,            -- how many questions it has; the application counts
    passing_score     INTEGER DEFAULT 70,           -- percent; NULL when the provider does not publish it
    exam_duration     INTEGER DEFAULT 90,           -- minutes
    created_at        TEXT,                         -- when it was made; the application fills it in
    last_updated      TEXT                          -- time of the last change; the application fills it in
);

CREATE INDEX idx_certifications_status ON certifications (status);
CREATE INDEX idx_certifications_provider ON certifications (provider);
CREATE INDEX idx_certifications_category ON certifications (category);


-- A curated order of questions towards a goal: a company, a job title, a skill or a certification.
CREATE TABLE learning_paths (
    id                   TEXT PRIMARY KEY NOT NULL,  -- slug, such as company-google-beginner
    title                TEXT NOT NULL,              -- name of the path
    description          TEXT NOT NULL,              -- what one can do at its end
    path_type            TEXT NOT NULL,              -- company, job-title, skill or certification
    target_company       TEXT,                       -- the company, for a path of that type
    target_job_title     TEXT,                       -- the job title, for a path of that type
    difficulty           TEXT NOT NULL,              -- beginner, intermediate or advanced
    estimated_hours      INTEGER DEFAULT 40,         -- hours to the end of the path
    question_ids         TEXT NOT NULL,              -- JSON: array of question ids, in the order to learn them
    channels             TEXT NOT NULL,              -- JSON: array of strings, the channels it draws from
    tags                 TEXT,                       -- JSON: array of strings
    prerequisites        TEXT,                       -- JSON: array of learning path ids
    learning_objectives  TEXT,                       -- JSON: array of strings
    milestones           TEXT,                       -- JSON: array of {id, title, questionIds: array, estimatedHours}
    popularity           INTEGER DEFAULT 0,          -- how many learners started it; the application counts
    completion_rate      INTEGER DEFAULT 0,          -- percent of them who finished; the application counts
    average_rating       INTEGER DEFAULT 0,          -- 0 to 100; the application counts
    metadata             TEXT,                       -- JSON: object {totalQuestions, generatedFrom, …}
    status               TEXT DEFAULT 'active',      -- active, draft or archived
    created_at           TEXT,                       -- when it was made; the application fills it in
    last_updated         TEXT,                       -- time of the last change; the application fills it in
    last_generated       TEXT                        -- when a bot last put the path together
);

CREATE INDEX idx_learning_paths_type ON learning_paths (path_type);
CREATE INDEX idx_learning_paths_status ON learning_paths (status);
CREATE INDEX idx_learning_paths_company ON learning_paths (target_company);  -- the paths to a company
CREATE INDEX idx_learning_paths_job ON learning_paths (target_job_title);    -- the paths to a job
