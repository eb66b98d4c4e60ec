"""Databases behind one narrow interface: SQL over HTTP, and local SQLite files."""
