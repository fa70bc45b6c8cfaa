"""How models are trained, one loop a file, each to be read from top to bottom."""
