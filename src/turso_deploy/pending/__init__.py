"""The pending changes of a database: plan, seeds, scripts, and what its rows say to them."""
