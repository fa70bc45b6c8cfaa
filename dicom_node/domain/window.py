"""A window: the hours of the week, somewhere on earth, in which work may begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_WRITTEN = re.compile(r"([A-Za-z,]+) (\d\d:\d\d)-(\d\d:\d\d) (\S+)")


@dataclass(frozen=True, slots=True)
class Window:
    """Hours that come again each week.

    Attributes
    ----------
    start, end
        Wall clock; `end` is not part of it. Where it is not later than `start`, the window ends on the day after.
    time_zone
        Name in the IANA data base, as ``Europe/Berlin``.
    days
        On which it begins, of `DAYS`.
    """

    start: time
    end: time
    time_zone: str
    days: tuple[str, ...] = DAYS

    def is_open(self, at: datetime) -> bool:
        """Tell whether a time, which knows its zone, lies in the window.

        The time is read off the wall clock there, so an hour that a change to summer time leaves out is left out, and
        one that comes twice counts twice.
        """
        local = at.astimezone(ZoneInfo(self.time_zone))
        now, today = local.time(), DAYS[local.weekday()]
        yesterday = DAYS[(local - timedelta(days=1)).weekday()]
        if self.start < self.end:
            return today in self.days and self.start <= now < self.end
        return (today in self.days and now >= self.start) or (yesterday in self.days and now < self.end)

    def __str__(self) -> str:
        return f"{','.join(self.days)} {self.start:%H:%M}-{self.end:%H:%M} {self.time_zone}"

    @classmethod
    def parse(cls, text: str) -> Window:
        """Return the window that `str` wrote.

        Raises
        ------
        ValueError
            When it is none.
        """
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError("not a window")
        start, end = time.fromisoformat(found[2]), time.fromisoformat(found[3])
        return cls(start, end, found[4], tuple(found[1].split(",")))


def is_time_zone(name: str) -> bool:
    """Tell whether there is a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a path, or a folder of the data base
        return False
    return True
