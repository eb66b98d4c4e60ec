"""The databases of a fleet: many databases with one schema, read from a list, a group, a query or a server."""
