"""Tells the people what the demo does: one line a step, and a spinner only where someone watches a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.text import Text

PIPE_COLUMNS = 100


class Narrator:
    """Writes to a terminal or a pipe.

    Parameters
    ----------
    console
        Where to; by default standard output, 100 columns wide where that is no terminal.
    monotonic
        The clock, s.
    """

    def __init__(self, console: Console | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(highlight=False)
        if console is None and not self._console.is_terminal:
            self._console.width = PIPE_COLUMNS
        self._monotonic = monotonic
        self._begun = monotonic()

    def step(self, text: str) -> None:
        """Say what comes next, with the seconds since the beginning."""
        self._line(f"{self._monotonic() - self._begun:6.1f} s  {text}")

    def note(self, text: str) -> None:
        """Say something more about the step."""
        self._line(f"          {text}")

    def show(self, what: RenderableType) -> None:
        """Show a table."""
        self._console.print()
        self._console.print(what)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], None]]:
        """Turn a spinner until the context ends, on a terminal; the function that is given changes its text."""
        with self._console.status(Text(text)) as status:
            yield lambda changed: status.update(Text(changed))

    def _line(self, text: str) -> None:
        # never broken by us: a path is there to be copied
        self._console.print(Text(text), soft_wrap=True)
