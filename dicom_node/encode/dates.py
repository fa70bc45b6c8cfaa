"""Dates of a derived series: one moment, told in the offset that the source declares, else in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from pydicom import Dataset

from dicom_node.encode.verbatim import text

_OFFSET = re.compile(rb"([+-])(\d\d)(\d\d)")
_DATE_TIME = re.compile(r"\d{8}(\d{2}){0,3}(\.\d{1,6})?([+-]\d{4})?")


def declared_offset(source: Dataset) -> timezone | None:
    """Return TimezoneOffsetFromUTC (0008,0201), or None where it is absent or not an offset."""
    match = _OFFSET.fullmatch(text(source, "TimezoneOffsetFromUTC"))
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == b"-" else offset) if offset < timedelta(days=1) else None


def add_dates(image: Dataset, source: Dataset, at: datetime) -> None:
    """Add series, content and instance creation dates: the moment `at`, which is the same in all images.

    The offset of an instance holds for all its dates and times (PS3.3 C.12.1.1.8), those kept from the source
    included. So it is carried over and ours are told in it; where the source declares none, none is added, since that
    would move the study's time, and ours are UTC.
    """
    offset = declared_offset(source)
    if offset is not None:
        image.TimezoneOffsetFromUTC = text(source, "TimezoneOffsetFromUTC").decode()
    local = at.astimezone(offset or UTC)
    for noun in ("Series", "Content", "InstanceCreation"):
        setattr(image, f"{noun}Date", local.strftime("%Y%m%d"))
        setattr(image, f"{noun}Time", local.strftime("%H%M%S.%f"))


def acquired_at(image: Dataset) -> str | None:
    """Return AcquisitionDateTime, or AcquisitionDate and AcquisitionTime together, as a DT; None when unknown."""
    value = text(image, "AcquisitionDateTime") or text(image, "AcquisitionDate") + text(image, "AcquisitionTime")
    decoded = value.decode("ascii", "replace")
    return decoded if _DATE_TIME.fullmatch(decoded) else None
