"""Turso itself: its tokens and its Platform API."""
