"""The settings of a run: their model, and the sources that they are read from."""
