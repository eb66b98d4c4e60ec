"""A fleet: one command for many databases with one schema, in waves, with a failure budget, and its tally."""
