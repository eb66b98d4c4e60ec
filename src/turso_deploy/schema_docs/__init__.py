"""The documentation of a schema: Markdown pages made from the schema folder and its queries."""
