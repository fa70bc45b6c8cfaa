"""Harmonization by a normalizing flow that learned the target alone: layers, flow, edges, and the iteration."""
