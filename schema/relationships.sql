-- Relationships: how questions relate to each other, to their past, and to the sessions in which people meet them.

-- A link from one question to another, read as "source, then target". Seeds give negative ids, as in channel_mappings.
CREATE TABLE question_relationships (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,  -- number of the row
    source_question_id  TEXT NOT NULL REFERENCES questions (id),     -- the question that the link starts from
    target_question_id  TEXT NOT NULL REFERENCES questions (id),     -- the question that it leads to
    relationship_type   TEXT NOT NULL,                               -- prerequisite, follow_up, related or deeper_dive
    strength            INTEGER DEFAULT 50,                          -- 0 to 100, how close the two are
    created_at          TEXT                                         -- when it was made; the application fills it in
);

CREATE INDEX idx_question_relationships_source ON question_relationships (source_question_id);  -- what it leads to
CREATE INDEX idx_question_relationships_target ON question_relationships (target_question_id);  -- what leads to it


-- A prepared interview to be spoken: a few questions on one topic, in order.
CREATE TABLE voice_sessions (
    id                 TEXT PRIMARY KEY NOT NULL,  -- such as vs-system-design-foundations
    topic              TEXT NOT NULL,              -- title of the session
    description        TEXT,                       -- what the session covers
    channel            TEXT NOT NULL,              -- the channel it belongs to
    difficulty         TEXT NOT NULL,              -- beginner, intermediate or advanced
    question_ids       TEXT NOT NULL,              -- JSON: array of question ids, in the order to ask them
    total_questions    INTEGER NOT NULL,           -- how many question_ids there are
    estimated_minutes  INTEGER DEFAULT 5,          -- minutes, about two for each question
    created_at         TEXT,                       -- when it was made; the application fills it in
    last_updated       TEXT                        -- time of the last change; the application fills it in
);

CREATE INDEX idx_voice_sessions_channel ON voice_sessions (channel);
CREATE INDEX idx_voice_sessions_difficulty ON voice_sessions (difficulty);


-- A test, interview or practice under way, so that it can be resumed where it was left. Users may be anonymous.
CREATE TABLE user_sessions (
    id                TEXT PRIMARY KEY NOT NULL,  -- UUID, made by the application
    user_id           TEXT,                       -- the account (users.id); NULL for an anonymous user
    session_type      TEXT NOT NULL,              -- test, voice-interview, certification or channel
    session_key       TEXT NOT NULL,              -- what is resumed, such as test-session-aws; not unique
    title             TEXT NOT NULL,              -- title to show
    subtitle          TEXT,                       -- second line to show
    channel_id        TEXT,                       -- the channel, where there is one
    certification_id  TEXT,                       -- the certification (certifications.id), where there is one
    progress          INTEGER DEFAULT 0,          -- percent
    total_items       INTEGER NOT NULL,           -- how many items there are
    completed_items   INTEGER DEFAULT 0,          -- how many are done
    session_data      TEXT,                       -- JSON: object {questions, currentQuestionIndex, answers, …}
    started_at        TEXT,                       -- when it was made; the application fills it in
    last_accessed_at  TEXT,                       -- time of the last change; kept by trg_user_sessions_access
    completed_at      TEXT,                       -- NULL until it is completed
    status            TEXT DEFAULT 'active'       -- active, completed or abandoned
);

CREATE INDEX idx_user_sessions_status ON user_sessions (status);      -- what can be resumed; v_active_sessions
CREATE INDEX idx_user_sessions_type ON user_sessions (session_type);
CREATE INDEX idx_user_sessions_key ON user_sessions (session_key);    -- resume by key
CREATE INDEX idx_user_sessions_user ON user_sessions (user_id);       -- the sessions of a user


-- What happened to a question, test or coding challenge, one row for each event. Rows outlive their item, so there is
-- no foreign key.
CREATE TABLE question_history (
    id               INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,  -- number of the row
    question_id      TEXT NOT NULL,                               -- id of the item; question_type tells its table
    question_type    TEXT NOT NULL DEFAULT 'question',            -- question, test or coding
    event_type       TEXT NOT NULL,                               -- created, updated, improved, flagged, verified,
                                                                  -- enriched, deleted or restored
    event_source     TEXT NOT NULL,                               -- bot, user, system or import
    source_name      TEXT,                                        -- which bot, user or import
    changes_summary  TEXT,                                        -- the change in a sentence
    changed_fields   TEXT,                                        -- JSON: array of strings, the changed fields' names
    before_snapshot  TEXT,                                        -- JSON: object, the item before
    after_snapshot   TEXT,                                        -- JSON: object, the item after
    reason           TEXT,                                        -- why it changed
    metadata         TEXT,                                        -- JSON: object, what else the source keeps
    created_at       TEXT                                         -- when it was made; the application fills it in
);

CREATE INDEX idx_question_history_question ON question_history (question_id);  -- the history of an item
CREATE INDEX idx_question_history_type ON question_history (question_type);
CREATE INDEX idx_question_history_created ON question_history (created_at);    -- what happened lately
