"""Stored plans: a plan in a file, for a deployment that has to be exactly this one, or none."""
