"""The plan of a deployment: steps from the live schema to the wanted one, and the hazards of each step."""
