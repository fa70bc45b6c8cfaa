"""The split: which people are trained on, and which are tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, model_validator
from ruamel.yaml import YAML

from inference.contract import Contrast

SPLITS = Path(__file__).with_name("splits.yaml")

Side: TypeAlias = Literal["train", "test"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RealVolume(_Part):
    """A real volume.

    Attributes
    ----------
    path
        In the data folder: a NIfTI file, or the folder of a DICOM series.
    contrast, subject, side
        Of the image; whose head it is; where that person stands.
    references
        Names of the volumes that its look is taken from when it is the truth.
    """

    path: str
    contrast: Contrast
    subject: str
    side: Side
    references: tuple[str, ...] = ()


class LabelMaps(_Part):
    """Numbers of label maps of real heads."""

    train: tuple[str, ...]
    test: tuple[str, ...]


class Procedural(_Part):
    """First and last seed of drawn heads."""

    train: tuple[int, int]
    test: tuple[int, int]


class Splits(_Part):
    """All of ``splits.yaml``."""

    labelmaps: LabelMaps
    procedural: Procedural
    real: dict[str, RealVolume]

    @model_validator(mode="after")
    def _nobody_is_on_both_sides(self) -> Splits:
        if set(self.labelmaps.train) & set(self.labelmaps.test):
            raise ValueError("labelmaps: one head is on both sides")
        if self.procedural.train[1] >= self.procedural.test[0]:
            raise ValueError("procedural: the seeds to train with come before those to test with")
        sides: dict[str, Side] = {}
        for name, volume in self.real.items():
            if sides.setdefault(volume.subject, volume.side) != volume.side:
                raise ValueError(f"real.{name}: {volume.subject} is on both sides")
        return self

    @model_validator(mode="after")
    def _no_reference_is_the_answer(self) -> Splits:
        for name, volume in self.real.items():
            for reference in volume.references:
                other = self.real.get(reference)
                if other is None or other.path == volume.path or other.contrast != volume.contrast:
                    raise ValueError(f"real.{name}: '{reference}' is no other volume of the same contrast")
        return self

    def real_of(self, side: Side) -> dict[str, RealVolume]:
        """Return the real volumes of one side, by name."""
        return {name: volume for name, volume in self.real.items() if volume.side == side}


def read_splits(path: Path = SPLITS) -> Splits:
    """Read a split.

    Raises
    ------
    pydantic.ValidationError
        When it is malformed, puts a person on both sides, or gives a volume itself as its reference.
    """
    return Splits.model_validate(YAML(typ="safe", pure=True).load(path))
