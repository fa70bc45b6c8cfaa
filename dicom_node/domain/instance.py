"""A received instance: what names it, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class InstanceKey:
    """The four UIDs that place an instance (PS3.3 10.1)."""

    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Transport:
    """How an instance came: kept with it in its file meta information (PS3.10 7.1)."""

    calling_ae: str
    called_ae: str
    transfer_syntax_uid: str


class Stored(StrEnum):
    """What the spool did with an instance; every one of these is durable before it is returned."""

    NEW = "new"
    DUPLICATE = "duplicate"  # the same instance with the same content was there already
    CONFLICT = "conflict"  # the same UID with other content: the first is kept, this one is set aside
