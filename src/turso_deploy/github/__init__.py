"""GitHub: the context of a workflow run, workflow commands and outputs, pull-request comments, secrets."""
