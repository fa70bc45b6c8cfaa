"""A verdict of the output gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found.

    Attributes
    ----------
    failures
        Why the result may not be sent; each a sentence that an admin understands.
    warnings
        What must be told with it.
    numbers
        What was measured: `head_median` in the unit of the result, those that end in `_hu` in HU, the others unitless.
    """

    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
