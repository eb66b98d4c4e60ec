"""The report of a run, and its renderings: terminal, job summary, Markdown, entity-relationship diagram."""
