"""Windows as they stand in the rules file: ``nights: {from: '20:00', until: '06:00', time_zone: Europe/Berlin}``."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from dicom_node.domain.window import DAYS, Day, Window, is_time_zone
from dicom_node.located_yaml import did_you_mean

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _clock(raw: Any) -> Any:
    if isinstance(raw, str) and _CLOCK.fullmatch(raw):
        return time.fromisoformat(raw)
    raise ValueError("must be a time of day, in quotes, as '20:00'")


def _zone(name: str) -> str:
    if not is_time_zone(name):
        raise ValueError("not a time zone" + did_you_mean(name, available_timezones()))
    return name


def _each_once(days: tuple[Day, ...]) -> tuple[Day, ...]:
    if len(set(days)) < len(days):
        raise ValueError("names a day twice")
    return tuple(day for day in DAYS if day in days)


Clock = Annotated[
    time, BeforeValidator(_clock, json_schema_input_type=str), PlainSerializer(lambda at: f"{at:%H:%M}", str)
]


class WindowSettings(BaseModel):
    """When jobs may begin.

    Attributes
    ----------
    opens, closes
        ``from`` and ``until``: wall clock there; a window whose end is not later than its start ends the day after.
    time_zone
        IANA name; there is no default, since a hospital's machines often run on UTC.
    days
        On which it begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)

    opens: Clock = Field(alias="from")
    closes: Clock = Field(alias="until")
    time_zone: Annotated[str, AfterValidator(_zone)]
    days: Annotated[tuple[Day, ...], Field(min_length=1), AfterValidator(_each_once)] = DAYS

    @model_validator(mode="after")
    def _is_shorter_than_always(self) -> WindowSettings:
        if self.opens == self.closes and self.days == DAYS:
            raise ValueError("is open all the time: leave it out")
        return self

    @property
    def window(self) -> Window:
        """Return it as the queue knows it."""
        return Window(self.opens, self.closes, self.time_zone, self.days)
