"""Schemas: read from the folder, read from a catalog, compared, planned, checked."""
