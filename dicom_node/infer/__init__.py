"""Runs a job in a process of its own, and judges what comes back."""
