"""Seed rows: parse files, simulate the inserts in the scratch database, build the statements that insert or update."""
