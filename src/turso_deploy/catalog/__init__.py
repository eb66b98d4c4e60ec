"""The catalog of a database: its schema objects, how two schemas differ, and the scratch database."""
