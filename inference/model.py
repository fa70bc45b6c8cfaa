"""What a model is to its callers: from a volume to a volume, and numbers about the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from inference.look import Look
from inference.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a model made of a volume.

    Attributes
    ----------
    volume
        In the unit of the bundle's output.
    numbers
        What the model reports about its work; the unit stands in each name.
    """

    volume: Volume
    numbers: Mapping[str, float] = field(default_factory=dict)


class Model(Protocol):
    """A loaded model: deterministic, and it leaves its input as it was."""

    @property
    def device(self) -> str:
        """Where it runs: ``cpu`` or ``cuda:0``."""
        ...

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Run the model.

        Parameters
        ----------
        volume
            Inside the input contract of the bundle.
        target
            One of the bundle's targets, or a look that was measured on references, where the bundle takes such;
            None where there is only one to choose.

        Raises
        ------
        ModelRefused
            When the model cannot work on this volume, or has no such target.
        """
        ...
