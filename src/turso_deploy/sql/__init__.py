"""SQL as text: tokens, statements, and the canonical parts of a CREATE statement. Imports nothing of ours."""
