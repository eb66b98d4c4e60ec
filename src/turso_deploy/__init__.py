"""Bring a Turso (libSQL) database to the schema, seeds and manifest of a repository, and prove it before committing."""

__version__ = "0.1.0"
