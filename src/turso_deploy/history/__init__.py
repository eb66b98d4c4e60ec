"""Deployment history: the table `schema_deployments`, its rows, and the catalogs and seed records that they hold."""
