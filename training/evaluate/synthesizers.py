"""The contestants of E4: bundles that make CT of MR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inference.ct.hounsfield import HOUNSFIELD
from inference.errors import ModelRefused
from inference.registry import SHIPPED, Registry
from inference.volume import Volume
from training.evaluate.contestants import Named, loaded, refuse_violations

PLAIN = ("synth-ct-water", "synth-ct-bulk")
"""What a user would pick instead of a network: water everywhere, and bulk densities from thresholds."""


class Synthesizer(Named, Protocol):
    """What E4 judges."""

    def synthesized(self, source: Volume, *, contrast: str) -> Volume:
        """Return a CT on the grid of an MR volume, HU.

        Raises
        ------
        ModelRefused
            With the reason.
        """
        ...


@dataclass(frozen=True, slots=True)
class CtBundle:
    """A bundle whose output is CT.

    Attributes
    ----------
    name, digest
        Of the bundle.
    folders
        Where bundles lie.
    """

    name: str
    digest: str
    folders: tuple[Path, ...]

    def synthesized(self, source: Volume, *, contrast: str) -> Volume:
        """Run the model, if its contract takes the source."""
        bundle, model = loaded(self.name, self.folders)
        refuse_violations(bundle, source, contrast=contrast)
        made = model(source).volume
        if made.voxels.shape != source.voxels.shape or made.unit != HOUNSFIELD:
            raise ModelRefused(f"it made {made.voxels.shape} in {made.unit}; the MR has {source.voxels.shape}")
        return made


def synthesizers(names: Sequence[str], folders: Sequence[Path]) -> tuple[CtBundle, ...]:
    """Find bundles by their names, as `training.evaluate.contestants.harmonizers` does."""
    every = (*folders, SHIPPED)
    registry = Registry(every)
    return tuple(CtBundle(name, registry.get(name).digest[:20], every) for name in names)


def by_output(names: Sequence[str], folders: Sequence[Path]) -> Mapping[str, list[str]]:
    """Sort names of bundles by the kind of their output: ``mr``, ``ct``.

    Raises
    ------
    BundleRefused
        When there is no such bundle, or it cannot be used.
    """
    registry = Registry((*folders, SHIPPED))
    found: dict[str, list[str]] = {"mr": [], "ct": []}
    for name in names:
        found.setdefault(registry.get(name).manifest.output.kind, []).append(name)
    return found
