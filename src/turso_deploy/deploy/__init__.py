"""The use cases: deploy, plan, compare and verify."""
