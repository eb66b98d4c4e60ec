"""Seed rows: files read into rows, tried in the scratch database, and turned into the statements that insert them."""
