"""The pace of a sender: how long it paused within its last series, and so how long to wait for its next image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

KEPT = 50
"""Series that are remembered; what a sender did longer ago no longer counts."""
ENOUGH = 8
"""Series below which nothing is known of a sender: it gets the longest wait."""
QUANTILE = 0.98
"""Part of its series within whose longest pause a sender's next pause is expected to lie."""
MARGIN = 1.5
"""How much longer than that it may take: the longest of 50 pauses is not the longest there will be."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What a sender's last series tell of its next.

    One number a series is kept, its longest pause, and not every gap between two images: a series is closed too early
    by one pause among hundreds of gaps, which no quantile of the gaps would show.

    Attributes
    ----------
    calling_ae
        The sender's AE title.
    pauses_s
        The longest pause within each of its last series, s, oldest first.
    """

    calling_ae: str
    pauses_s: tuple[float, ...] = ()

    def after(self, pause_s: float) -> Pace:
        """Return the pace with one more series."""
        return replace(self, pauses_s=(*self.pauses_s, round(pause_s, 3))[-KEPT:])

    def settle_s(self, *, least_s: float, most_s: float) -> float:
        """Return how long nothing may have come from this sender before geometry is believed, s.

        Parameters
        ----------
        least_s, most_s
            The bounds; the upper one holds while little is known.
        """
        if len(self.pauses_s) < ENOUGH:
            return most_s
        expected_s = sorted(self.pauses_s)[math.ceil(QUANTILE * len(self.pauses_s)) - 1]
        return min(most_s, max(least_s, round(MARGIN * expected_s, 1)))
