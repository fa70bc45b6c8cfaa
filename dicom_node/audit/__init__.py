"""Audit messages of PS3.15 A.5: their text, and the ways in which they leave the node."""
