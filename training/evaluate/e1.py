"""E1: a held-out head, its intensities spoiled in a known way, is to be brought back to the look of its scanner."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from inference.classical.head import find_head
from inference.look import Look, look_of
from inference.volume import Volume
from training.evaluate.corruption import BRIGHTEST, CORRUPTIONS
from training.evaluate.metrics import data_range
from training.evaluate.people import People
from training.evaluate.sets import EvaluationSet
from training.evaluate.trial import Label, Trial, anchored

SOURCE_TOP = 1000.0
"""Value of the source where the truth is at the 99.9th percentile of its head, for families that keep 1."""


@dataclass(frozen=True, slots=True)
class SimulatedCase:
    """A simulated head in a site, spoiled.

    Attributes
    ----------
    head, site, corruption
        Their names.
    references
        Heads of other people, scanned in the same site, that the look is taken from.
    """

    head: str
    site: str
    corruption: str
    references: tuple[str, ...]

    @property
    def label(self) -> Label:
        """See `training.evaluate.trial.Case`."""
        how = CORRUPTIONS[self.corruption]
        return Label("e1", f"simulated {how.kind}", how.family, self.head, "T1", f"{self.site}/{how.name}")

    def trial(self, people: People) -> Trial:
        """Scan, scale, spoil."""
        site = people.site(self.site)
        truth = anchored(people.scanned(self.head, site))
        look = site_look(people, self.site, self.references)
        mask = people.mask(self.head, site.grid)
        return _spoiled(truth, look, self.site, mask, label=self.label, corruption=self.corruption)


@dataclass(frozen=True, slots=True)
class RealCase:
    """A real volume, spoiled; names as in the split."""

    volume: str
    corruption: str

    subject: str
    contrast: str

    @property
    def label(self) -> Label:
        """See `training.evaluate.trial.Case`."""
        how = CORRUPTIONS[self.corruption]
        return Label("e1", f"real {how.kind}", how.family, self.subject, self.contrast, f"{self.volume}/{how.name}")

    def trial(self, people: People) -> Trial:
        """Read, scale, spoil."""
        found = people.real(people.splits.real[self.volume])
        if found is None:
            raise FileNotFoundError(self.volume)
        truth = anchored(found.with_voxels(np.maximum(found.voxels, 0)))
        look = _real_look(people, self.volume)
        mask = find_head(truth).inside
        return _spoiled(truth, look, None, mask, label=self.label, corruption=self.corruption)


def cases(people: People, chosen: EvaluationSet) -> Iterator[SimulatedCase | RealCase]:
    """Yield all cases of a set."""
    for number, head in enumerate(people.some("test", maps=chosen.e1_heads)):
        sites = chosen.e1_sites if chosen.every_site else (chosen.e1_sites[number % len(chosen.e1_sites)],)
        for site in sites:
            for corruption in chosen.corruptions:
                yield SimulatedCase(head, site, corruption, people.references(head, chosen.references))
    for name, volume in people.splits.real_of("test").items():
        if name in chosen.real and people.real(volume) is not None and _references(people, name):
            for corruption in chosen.corruptions:
                yield RealCase(name, corruption, volume.subject, volume.contrast)


@lru_cache(maxsize=8)
def site_look(people: People, site: str, references: tuple[str, ...]) -> Look:
    """Measure the look of a site on some heads."""
    return look_of((people.scanned(name, people.site(site)) for name in references), contrast="T1")


def _references(people: People, name: str) -> list[Volume]:
    volumes = (people.real(people.splits.real[each]) for each in people.splits.real[name].references)
    return [volume for volume in volumes if volume is not None]


def _real_look(people: People, name: str) -> Look:
    return look_of(_references(people, name), contrast=people.splits.real[name].contrast)


def _spoiled(
    truth: Volume, look: Look, target: str | None, mask: np.ndarray, *, label: Label, corruption: str
) -> Trial:
    top = np.float32(data_range(truth.voxels, mask))
    x = np.clip(truth.voxels / top, 0, np.float32(BRIGHTEST))
    spoiled = CORRUPTIONS[corruption](x, mask, seed=zlib.crc32(label.case.encode()))
    source = truth.with_voxels(spoiled * np.float32(SOURCE_TOP))
    return Trial(source, truth.with_voxels(x * top), look, target, mask, float(top) / SOURCE_TOP)
