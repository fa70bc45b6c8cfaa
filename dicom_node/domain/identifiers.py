"""DICOM identifiers: UIDs from a hash, and which UIDs and AE titles are acceptable."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def is_uid(value: str) -> bool:
    """Tell whether `value` is a UID in form: digits and dots, at most 64 characters (PS3.5 9.1).

    Components with leading zeros are let pass: archives hold such UIDs and refusing them would lose images.
    """
    return len(value) <= 64 and _UID.fullmatch(value) is not None


def uid_of(kind: str, parts: Iterable[str]) -> str:
    """Return a UID below ``2.25.`` (PS3.5 B.2) that is a function of its arguments.

    The same kind and parts give the same UID on every node and in every year, so work done twice is recognised.

    Parameters
    ----------
    kind
        What the UID names, for instance ``series`` or ``instance``.
    parts
        Everything that makes the work what it is, in a stated order.
    """
    digest = hashlib.sha256("\n".join((kind, *parts)).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def is_ae_title(value: str) -> bool:
    """Tell whether `value` can be an AE title: 1 to 16 printable ASCII characters, no backslash (PS3.5 6.2)."""
    return 0 < len(value.strip()) <= len(value) <= 16 and all(" " <= c <= "~" and c != "\\" for c in value)
