"""The databases that a deployment can be sent to, behind one narrow interface."""
