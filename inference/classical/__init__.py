"""Harmonizers without a network: the baselines that a network must beat."""
