"""SQLite in the version that is installed with turso-deploy, and what is new in it; only here is apsw imported."""
