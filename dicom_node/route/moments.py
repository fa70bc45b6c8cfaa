"""Dates, times of day, dates with times, and ages, as DICOM (PS3.5 6.2) and people write them.

What is written less precisely stands for a span: 07:30 is the whole of that minute. So `equals 07:30` is met by
07:30:12, and `at_most 07:30` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dicom_node.domain.facts import Scalar
from dicom_node.route.keys import Kind

SECOND = 1_000_000
"""Moments are counted in microseconds, the last fraction that DICOM writes: floats since the year 1 are coarser."""
DAY = 86_400 * SECOND

_DATE = re.compile(r"(\d{4})([-.]?)(\d{2})\2(\d{2})")
_CLOCK = r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?"
_TIME = re.compile(_CLOCK)
_MOMENT = re.compile(rf"(\d{{4}})(?:-?(\d{{2}})(?:-?(\d{{2}})(?:[T ]?{_CLOCK})?)?)?(?:(Z)|([-+])(\d{{2}}):?(\d{{2}}))?")
_AGE = re.compile(r"(\d{1,3}) ?([DWMY])", re.IGNORECASE)
_LENGTHS = {"D": DAY, "W": 7 * DAY, "M": 1461 * DAY // 48, "Y": 1461 * DAY // 4}


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, time or age as precisely as it is written.

    Attributes
    ----------
    kind
        Which of these.
    first, last
        Both included, in microseconds: of the day for times, of a life for ages, else since the year 0 (proleptic
        Gregorian).
    offset
        From UTC, where a date with a time says it.
    """

    kind: Kind
    first: int
    last: int
    offset: int | None = None

    def of(self, value: Scalar) -> int | None:
        """Return where an element's value begins, to be compared with `first` and `last`; None when it is none.

        A date with a time is compared as it is written, and in UTC where both say their offset from it.
        """
        other = moment(str(value), self.kind)
        if other is None:
            return None
        if self.offset is None or other.offset is None:
            return other.first
        return other.first - other.offset + self.offset


def moment(text: str, kind: Kind) -> Moment | None:
    """Read text of a kind, None when it is not of that kind."""
    try:
        return _READ[kind](text.strip())
    except ValueError:  # the 31st of February
        return None


def _date(text: str) -> Moment | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    day = date(int(found[1]), int(found[3]), int(found[4])).toordinal() * DAY
    return Moment(Kind.DATE, day, day + DAY - 1)


def _time(text: str) -> Moment | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    first, length = _clock(*found.groups())
    return Moment(Kind.TIME, first, first + length - 1)


def _clock(hour: str, minute: str | None, second: str | None, fraction: str | None) -> tuple[int, int]:
    """Return where in the day it begins, and how long it lasts."""
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:  # 60: a leap second (PS3.5 6.2, TM)
        raise ValueError
    start = (int(hour) * 3600 + int(minute or 0) * 60 + int(second or 0)) * SECOND
    if fraction is not None:
        length = 10 ** (6 - len(fraction))
        return start + int(fraction) * length, length
    return start, (1 if second else 60 if minute else 3600) * SECOND


def _moment(text: str) -> Moment | None:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, utc, sign, ahead_h, ahead_min = found.groups()
    begin = date(int(year), int(month or 1), int(day or 1))
    start, length = begin.toordinal() * DAY, (_after(begin, month, day) - begin).days * DAY
    if hour is not None:
        of_day, length = _clock(hour, minute, second, fraction)
        start += of_day
    ahead = int(f"{sign}1") * (int(ahead_h) * 3600 + int(ahead_min) * 60) * SECOND if sign else None
    return Moment(Kind.MOMENT, start, start + length - 1, 0 if utc else ahead)


def _after(begin: date, month: str | None, day: str | None) -> date:
    """Return the first day after the day, month or year that begins there."""
    if day is not None:
        return begin + timedelta(days=1)
    if month is not None:
        return (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
    return begin.replace(year=begin.year + 1)


def _age(text: str) -> Moment | None:
    found = _AGE.fullmatch(text)
    if found is None:
        return None
    age = int(found[1]) * _LENGTHS[found[2].upper()]
    return Moment(Kind.AGE, age, age)


_READ: dict[Kind, Callable[[str], Moment | None]] = {
    Kind.DATE: _date, Kind.TIME: _time, Kind.MOMENT: _moment, Kind.AGE: _age,
}  # fmt: skip

EXAMPLES: dict[Kind, str] = {
    Kind.DATE: "2026-01-31", Kind.TIME: "07:30", Kind.MOMENT: "2026-01-31 07:30", Kind.AGE: "18Y",
}  # fmt: skip
"""Kind to how one is written, for messages."""


def is_moment(kind: Any) -> bool:
    """Tell whether values of a kind are moments."""
    return kind in _READ
