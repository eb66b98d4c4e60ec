"""Schema documentation: Markdown pages generated from the schema folder and its queries."""
