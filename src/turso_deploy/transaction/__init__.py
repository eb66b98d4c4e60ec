"""The transaction of a deployment: guard, steps, checks and the row in the deployment history."""
