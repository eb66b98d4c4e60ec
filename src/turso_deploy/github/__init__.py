"""GitHub: context of a workflow run, workflow commands, outputs, annotations, pull-request comments, secrets."""
