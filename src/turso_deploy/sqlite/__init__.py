"""SQLite itself, in the version that is installed with turso-deploy; the only package that imports apsw."""
