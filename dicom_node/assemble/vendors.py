"""The makers of scanners, and how Manufacturer (0008,0070) spells them."""

from __future__ import annotations

import re

VENDORS: dict[tuple[str, ...], str] = {
    ("siemens",): "Siemens",
    ("ge",): "GE",
    ("general", "electric"): "GE",
    ("philips",): "Philips",
    ("toshiba",): "Toshiba",
    ("canon",): "Canon",
    ("uih",): "UIH",
    ("united", "imaging"): "UIH",
    ("shanghai", "united", "imaging"): "UIH",
    ("hitachi",): "Hitachi",
    ("fujifilm",): "Fujifilm",
}
"""First words of a spelling, lower case, to the vendor. Seen in the wild: SIEMENS, Siemens Healthineers,
GE MEDICAL SYSTEMS, GE Medical Systems, Philips, ``Philips Medical Systems, Inc.``, Philips Healthcare, TOSHIBA,
TOSHIBA_MEC, CANON_MEC, UIH, HITACHI, FUJIFILM. Whole words are compared, so a name that merely contains one of these
is nobody's; Toshiba and Canon stay apart, since the scanners' software does."""

_LONGEST = max(len(words) for words in VENDORS)


def vendor(manufacturer: str) -> str | None:
    """Return the vendor that a value of Manufacturer names, None when the spelling is not known."""
    words = tuple(re.findall(r"[^\W_]+", manufacturer.lower()))
    return next((VENDORS[words[:n]] for n in range(1, _LONGEST + 1) if words[:n] in VENDORS), None)
