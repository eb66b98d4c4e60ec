"""The use cases that tell what was deployed: the deployments of a database, and the states of several databases."""
