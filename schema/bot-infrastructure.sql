-- Bot infrastructure: the queue that bots take work from, the ledger of what they did, and their runs.

-- Work waiting for a bot. The item may be a question, a challenge, a test or a blog post, so its id has no foreign key.
CREATE TABLE work_queue (
    id            INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,  -- number of the row
    item_type     TEXT NOT NULL,                               -- question, challenge, test or blog
    item_id       TEXT NOT NULL,                               -- id of the item; item_type tells its table
    action        TEXT NOT NULL,                               -- improve, delete, verify, enrich, or an issue's name
    priority      INTEGER DEFAULT 5,                           -- 1 is the most urgent, 10 the least
    status        TEXT DEFAULT 'pending',                      -- pending, processing, completed or failed
    reason        TEXT,                                        -- why the work is wanted
    created_by    TEXT,                                        -- the bot that asked for it
    assigned_to   TEXT,                                        -- the bot that should do it
    created_at    TEXT,                                        -- when it was made; the application fills it in
    processed_at  TEXT,                                        -- when the work ended
    result        TEXT                                         -- JSON: object, or the text of an error
);

CREATE INDEX idx_work_queue_status ON work_queue (status);      -- the next pending work
CREATE INDEX idx_work_queue_priority ON work_queue (priority);  -- most urgent first
CREATE INDEX idx_work_queue_item ON work_queue (item_id);       -- is work for this item queued already?


-- What bots did, one row for each action; rows are only ever added.
CREATE TABLE bot_ledger (
    id            INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,  -- number of the row
    bot_name      TEXT NOT NULL,                               -- the bot that acted
    action        TEXT NOT NULL,                               -- create, update, delete, verify or flag
    item_type     TEXT NOT NULL,                               -- kind of the item, as in work_queue
    item_id       TEXT NOT NULL,                               -- id of the item; item_type tells its table
    before_state  TEXT,                                        -- JSON: object, the item before, if there was one
    after_state   TEXT,                                        -- JSON: object, the item after, if there is one
    reason        TEXT,                                        -- why the bot acted
    created_at    TEXT                                         -- when it was made; the application fills it in
);

CREATE INDEX idx_bot_ledger_bot ON bot_ledger (bot_name);        -- what a bot did; v_bot_activity
CREATE INDEX idx_bot_ledger_item ON bot_ledger (item_id);        -- what happened to an item
CREATE INDEX idx_bot_ledger_created ON bot_ledger (created_at);  -- what happened lately


-- One row for each run of a bot, with its figures.
CREATE TABLE bot_runs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,  -- number of the row
    bot_name         TEXT NOT NULL,                               -- the bot that ran
    started_at       TEXT NOT NULL,                               -- when the run started
    completed_at     TEXT,                                        -- NULL while the bot runs
    status           TEXT DEFAULT 'running',                      -- running, completed or failed
    items_processed  INTEGER DEFAULT 0,                           -- items the bot looked at
    items_created    INTEGER DEFAULT 0,                           -- items it created
    items_updated    INTEGER DEFAULT 0,                           -- items it updated
    items_deleted    INTEGER DEFAULT 0,                           -- items it deleted
    summary          TEXT                                         -- JSON: object {message, actionCounts, …} or {error}
);

CREATE INDEX idx_bot_runs_bot ON bot_runs (bot_name);   -- the runs of a bot
CREATE INDEX idx_bot_runs_status ON bot_runs (status);  -- what runs now; what failed
