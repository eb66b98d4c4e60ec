-- Authentication: who may sign in.

-- One row for each account. The name is unique through an index, not a constraint, as drizzle-kit creates it.
CREATE TABLE users (
    id        TEXT PRIMARY KEY NOT NULL,  -- UUID, made by the application
    username  TEXT NOT NULL,              -- name to sign in with; upper and lower case differ
    password  TEXT NOT NULL               -- hash of the password; making it is the application's duty
);

CREATE UNIQUE INDEX users_username_unique ON users (username);  -- signing in; two accounts never share a name
