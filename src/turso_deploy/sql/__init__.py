"""SQL as text: tokens, statements, and the definitions that CREATE statements state. Imports nothing outside core."""
