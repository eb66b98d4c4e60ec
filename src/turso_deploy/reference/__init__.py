"""The schema's own documentation: pages made from the schema folder, its comments, and queries that were run."""
