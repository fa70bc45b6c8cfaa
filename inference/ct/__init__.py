"""Synthetic CT: what the models that make Hounsfield units of an MR have in common."""
