"""The paces of all senders: what is learned of each, and the wait that follows for a series of theirs."""

from __future__ import annotations

from collections.abc import Iterable

from dicom_node.domain.pace import Pace
from dicom_node.domain.ports import PaceBook


class Paces:
    """Learns from every series how its senders pace their images.

    Parameters
    ----------
    book
        Where paces are kept; read once, here.
    least_s, most_s
        Bounds of every wait, s.
    """

    def __init__(self, book: PaceBook, *, least_s: float, most_s: float) -> None:
        self._book = book
        self._paces = {pace.calling_ae: pace for pace in book.paces()}
        self._least_s, self._most_s = least_s, most_s

    def settle_s(self, senders: Iterable[str]) -> float:
        """Return how long a series of these senders settles: as long as the slowest of them, s.

        A series of which no sender is known settles for the longest time.
        """
        waits = [self._pace(each).settle_s(least_s=self._least_s, most_s=self._most_s) for each in senders]
        return max(waits, default=self._most_s)

    def learn(self, senders: Iterable[str], pause_s: float) -> None:
        """Take note of the longest pause within a series, s; one that no wait would have outlasted teaches nothing."""
        if pause_s > self._most_s:
            return
        for sender in senders:
            pace = self._paces[sender] = self._pace(sender).after(pause_s)
            self._book.keep(pace)

    def _pace(self, sender: str) -> Pace:
        return self._paces.get(sender, Pace(sender))
