"""The Turso Platform: databases, branches, tokens, and the rotation of tokens."""
