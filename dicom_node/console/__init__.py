"""The HTTP side of the node: health, readiness, metrics."""
