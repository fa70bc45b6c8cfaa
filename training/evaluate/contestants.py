"""The contestants: bundles by name, what leaving an image as it is gives, and what no method may know."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from sklearn.isotonic import IsotonicRegression

from inference.bundle import Bundle
from inference.contract import Acquisition
from inference.errors import ModelRefused
from inference.look import Look
from inference.model import Model
from inference.registry import SHIPPED, Registry, load
from inference.volume import Volume
from training.evaluate.trial import Trial, anchored

CLASSICAL = ("harmonize-histogram", "harmonize-nyul", "harmonize-n4")
"""What a user would pick instead of a network."""


class Named(Protocol):
    """What is judged, by whatever it does."""

    @property
    def name(self) -> str:
        """As tables call it."""
        ...

    @property
    def digest(self) -> str:
        """Of all that decides its output."""
        ...


class Contestant(Named, Protocol):
    """A harmonizer, as E1 to E3 judge it."""

    def harmonized(self, trial: Trial, *, contrast: str) -> Volume:
        """Return what it makes of the source.

        Raises
        ------
        ModelRefused
            With the reason.
        """
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """The source as it is, told the factor between its unit and the truth's."""

    name: str = "identity"
    digest: str = "identity-1"

    def harmonized(self, trial: Trial, *, contrast: str) -> Volume:
        """Return the source in the truth's unit."""
        return trial.source.with_voxels(trial.source.voxels * np.float32(trial.known_scale))


@dataclass(frozen=True, slots=True)
class Scaling:
    """The source scaled by its own anchor: leaving it as it is, knowing no more than any harmonizer does."""

    name: str = "scaling"
    digest: str = "scaling-1"

    def harmonized(self, trial: Trial, *, contrast: str) -> Volume:
        """Return the source with its anchor at that of the look."""
        return anchored(trial.source)


@dataclass(frozen=True, slots=True)
class Oracle:
    """The monotone curve that fits the truth best: what no harmonizer knows, and no curve surpasses."""

    name: str = "oracle curve"
    digest: str = "oracle-1"

    def harmonized(self, trial: Trial, *, contrast: str) -> Volume:
        """Fit by isotonic regression in the head, and map the source."""
        curve = IsotonicRegression(out_of_bounds="clip")
        curve.fit(trial.source.voxels[trial.mask], trial.truth.voxels[trial.mask])
        mapped = curve.predict(trial.source.voxels.ravel()).reshape(trial.source.voxels.shape)
        return trial.source.with_voxels(mapped.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Harmonizer:
    """A bundle.

    Attributes
    ----------
    name, digest
        Of the bundle.
    folders
        Where bundles lie.
    by_name
        Whether it is given the name of the scanner, where it knows it, in place of the look.
    """

    name: str
    digest: str
    folders: tuple[Path, ...]
    by_name: bool = False

    def harmonized(self, trial: Trial, *, contrast: str) -> Volume:
        """Run the model, if its contract takes the source."""
        bundle, model = loaded(self.name, self.folders)
        refuse_violations(bundle, trial.source, contrast=contrast)
        return model(trial.source, target=self._target(bundle, trial)).volume

    def _target(self, bundle: Bundle, trial: Trial) -> str | Look:
        named = trial.target if trial.target in bundle.manifest.targets else None
        if bundle.manifest.added_targets is None or self.by_name:
            if named is None:
                raise ModelRefused("it takes no look, and has no target of this name")
            return named
        return trial.look


@lru_cache(maxsize=16)
def loaded(name: str, folders: tuple[Path, ...]) -> tuple[Bundle, Model]:
    """Return a bundle by its name, ready to run on the CPU."""
    bundle = Registry(folders).get(name)
    return bundle, load(bundle, device="cpu")


def refuse_violations(bundle: Bundle, source: Volume, *, contrast: str) -> None:
    """Raise `ModelRefused` where the contract of a bundle does not take an MR volume of this contrast."""
    contract = bundle.manifest.input
    violations = contract.acquisition_violations(Acquisition(modality="MR", contrast=contrast))
    violations += contract.volume_violations(source)
    if violations:
        raise ModelRefused("; ".join(violations))


def harmonizers(names: Sequence[str], folders: Sequence[Path], *, by_name: bool = False) -> tuple[Harmonizer, ...]:
    """Find bundles by their names.

    Parameters
    ----------
    names
        Of bundles.
    folders
        Each holds bundles; those that ship with the package are looked through last.
    by_name
        See `Harmonizer`.

    Raises
    ------
    BundleRefused
        When there is no such bundle, or it cannot be used.
    """
    every = (*folders, SHIPPED)
    registry = Registry(every)
    suffix = "by name" if by_name else ""
    return tuple(
        Harmonizer(
            name, hashlib.sha256(f"{registry.get(name).digest}{suffix}".encode()).hexdigest()[:20], every, by_name
        )
        for name in names
    )
