"""How long to wait before a destination is tried again."""

from __future__ import annotations


def next_attempt(attempt: int, *, first_s: float, maximum_s: float) -> float:
    """Return the seconds to wait after an attempt that was deferred: doubled each time, up to a limit.

    Parameters
    ----------
    attempt
        How many attempts were made, from 1.
    first_s, maximum_s
        Wait after the first attempt, and the longest wait, s.
    """
    if attempt < 1:
        raise ValueError("attempts are counted from 1")
    doublings = min(attempt - 1, 64)  # beyond it nothing grows but the number
    return min(first_s * 2.0**doublings, maximum_s)
