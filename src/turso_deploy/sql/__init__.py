"""SQL text: tokens, statements, and the definitions in CREATE statements. Imports no other package."""
