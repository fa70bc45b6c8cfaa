"""A week of a hospital as a node sees it: senders of many habits, and the real collector under a clock of its own."""
