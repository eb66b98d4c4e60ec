"""The use case rollback: an earlier deployment, read from the deployment history, as a project that can be deployed."""
