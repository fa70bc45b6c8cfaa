"""The bounded harmonizer: a curve, a smooth gain and small local curves, each with its limit, and nothing else."""
