"""Rules: which series goes to which model, and why."""
