"""What a node does again and again, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from dicom_node.boundary import Boundary


class Ticks:
    """Repeats steps until it is told to stop; whatever goes wrong in one, it comes again.

    Waits are measured by a clock that never jumps: a scheduler that goes by the time of day stands still for an hour
    when the time is set back by one.

    Parameters
    ----------
    stopping
        Ends all of them when it is set.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._boundary = Boundary(time.monotonic)
        self._ended_well: dict[str, float] = {}
        self._threads: list[threading.Thread] = []

    def start(self, name: str, step: Callable[[], object], *, every_s: float) -> None:
        """Repeat a step, for the first time after `every_s` seconds."""
        self.ended_well(name)
        thread = threading.Thread(target=self._repeat, args=(name, step, every_s), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def run(self, name: str, step: Callable[[], object]) -> None:
        """Run a step once, here and now."""
        try:
            step()
        except Exception as error:  # the boundary between our work and the thread that it is done in
            self._boundary.tell("tick_failed", name, error)
        else:
            self.ended_well(name)

    def ended_well(self, name: str) -> None:
        """Note that a step, or a part of a long one, came to its end: with much to do one may take minutes."""
        self._ended_well[name] = time.monotonic()

    def late(self, limits_s: Mapping[str, float], *, otherwise_s: float) -> list[str]:
        """Return the names of the steps that have not ended well for longer than their limit."""
        now = time.monotonic()
        return [name for name, at in list(self._ended_well.items()) if now - at > limits_s.get(name, otherwise_s)]

    def join(self, at_most_s: float) -> None:
        """Wait for the steps under way, but not longer."""
        end = time.monotonic() + at_most_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _repeat(self, name: str, step: Callable[[], object], every_s: float) -> None:
        while not self._stopping.wait(every_s):
            self.run(name, step)
