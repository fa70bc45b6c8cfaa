"""A trial: what a harmonizer is given, and what it should have made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from inference.look import TOP, Look, profile
from inference.volume import BoolArray, Float32Array, Volume
from training.evaluate.cache import digest_of, digest_of_voxels
from training.evaluate.people import People


@dataclass(frozen=True, slots=True)
class Label:
    """What a trial is called and counted with.

    Attributes
    ----------
    experiment
        ``e1``, ``e2``, ``e3``.
    group, family
        Tables have one a group, and a row a family.
    subject
        Whose head: cases of one head are not independent.
    contrast
        Of the image.
    name
        What tells it from the others of its subject, group and family.
    """

    experiment: str
    group: str
    family: str
    subject: str
    contrast: str
    name: str

    @property
    def case(self) -> str:
        """The whole name, the same in every run."""
        return "/".join((self.experiment, self.group, self.subject, self.family, self.name)).replace(" ", "_")


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Source, truth and look.

    Attributes
    ----------
    source
        What a harmonizer is given.
    truth
        What it should make of it: the anchor of a look at `TOP`.
    look
        Of the truth's scanner, taken from others.
    target
        Name of that scanner, for harmonizers that take no look; None where it has none.
    mask
        Shape (slices, rows, columns): the head. Measured in the truth, never in the source.
    known_scale
        Factor that takes the source to the truth's unit: what leaving the image as it is counts as.
    further
        Name -> other truths on the same grid, in the same unit.
    """

    source: Volume
    truth: Volume
    look: Look
    target: str | None
    mask: BoolArray
    known_scale: float
    further: Mapping[str, Float32Array] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A short digest: another trial under the same name, another digest."""
        others = [self.truth.with_voxels(voxels) for voxels in self.further.values()]
        return digest_of(digest_of_voxels(self.source, self.truth, *others), self.look.digest, self.mask.sum())


class Case(Protocol):
    """A trial that can be made."""

    @property
    def label(self) -> Label:
        """What it is called."""
        ...

    def trial(self, people: People) -> Trial:
        """Make it."""
        ...


def anchored(volume: Volume) -> Volume:
    """Scale a volume so that its anchor is at `TOP`, as in every look."""
    return volume.with_voxels(volume.voxels * volume.voxels.dtype.type(TOP / profile(volume).anchor))
