"""What a scanner's images look like: the intensities of a few reference heads, and nothing of their anatomy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from inference.classical.head import CROWN_MM, Head, block_means, deep_part, find_head, working_factors
from inference.errors import BundleRefused, ModelRefused
from inference.volume import Float32Array, Float64Array, Volume

LEVELS: Float64Array = np.concatenate(([0.5], np.arange(1.0, 100.0), [99.5, 99.9]))
"""Percentiles that are kept of every reference, increasing."""

TOP = 800.0
"""Value that the `ANCHOR` of deep tissue has in every look: what is five times as bright still fits into 12 bits."""

ANCHOR = 90.0
"""Percentile of deep tissue that stands for the scale of an image: white matter in T1. Fat does not reach there."""

DEPTH_MM = 15.0
"""How far below the surface of the head deep tissue begins: past scalp and skull."""

_FEWEST_VOXELS = 400


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The intensities of one head.

    Attributes
    ----------
    deep, head
        Shape (levels,): percentiles at `LEVELS` of the tissue that lies deep in the upper head (the brain and what
        surrounds it), and of all tissue of the head. In the unit of the volume, not decreasing.
    """

    deep: Float64Array
    head: Float64Array

    @property
    def anchor(self) -> float:
        """The intensity that stands for the scale of the image."""
        return float(np.interp(ANCHOR, LEVELS, self.deep))

    def scaled(self) -> Profile:
        """Return the profile with its anchor at `TOP`."""
        return self.times(TOP / self.anchor)

    def times(self, factor: float) -> Profile:
        """Return the profile in another unit."""
        return Profile(self.deep * factor, self.head * factor)


def profile(volume: Volume, *, head: Head | None = None) -> Profile:
    """Measure the intensities of a head.

    Voxels are averaged to about 2 mm first: noise and the size of voxels then matter little.

    Parameters
    ----------
    volume
        Of a head, with its skull, brighter than the air; any orientation and spacing.
    head
        What `find_head` found in it, where that is known already.

    Raises
    ------
    ModelRefused
        When no head can be told from the air.
    """
    head = head or find_head(volume)
    factors = working_factors(volume)
    every = tuple(slice(None, None, factor) for factor in factors)
    means = block_means(volume.voxels, factors)
    tissue = head.inside[every] & (means > head.tissue_above)
    deep = tissue & deep_part(volume, head, depth_mm=DEPTH_MM, crown_mm=CROWN_MM)[every]
    return profile_of(means[deep], means[tissue])


def profile_of(deep: Float32Array, head: Float32Array) -> Profile:
    """Take percentiles.

    Parameters
    ----------
    deep, head
        Shape (voxels,): intensities of deep tissue, and of all tissue of the head.

    Raises
    ------
    ModelRefused
        When there are too few of them, or they are black.
    """
    if deep.size < _FEWEST_VOXELS:
        raise ModelRefused("no head can be told from the air around it")
    of_deep, of_head = (np.percentile(sample.astype(np.float64), LEVELS) for sample in (deep, head))
    if np.interp(ANCHOR, LEVELS, of_deep) <= 0:
        raise ModelRefused("the head is black")
    return Profile(of_deep, of_head)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The look of a scanner: the profiles of a few references, each with its anchor at `TOP`.

    Attributes
    ----------
    contrast
        Of all references, as in `inference.contract.Contrast`: images of another contrast never get this look.
    deep, head
        Shape (references, levels); see `Profile`.
    """

    contrast: str
    deep: Float64Array
    head: Float64Array

    def __post_init__(self) -> None:
        for rows in (self.deep, self.head):
            if rows.shape != (len(self.deep), LEVELS.size) or not len(rows):
                raise ValueError(f"a look needs (references, {LEVELS.size}) percentiles, not {rows.shape}")
            if not np.isfinite(rows).all() or (np.diff(rows, axis=1) < 0).any():
                raise ValueError("the percentiles of a look must be finite and not decrease")

    @property
    def mean_deep(self) -> Float64Array:
        """Mean profile of deep tissue; shape (levels,)."""
        return np.asarray(self.deep.mean(axis=0))

    @property
    def mean_head(self) -> Float64Array:
        """Mean profile of the whole head; shape (levels,)."""
        return np.asarray(self.head.mean(axis=0))

    @property
    def references(self) -> int:
        """How many heads it was measured on."""
        return len(self.deep)

    @property
    def digest(self) -> str:
        """SHA-256 of all that it holds, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def tensors(self, name: str = "look") -> dict[str, NDArray[Any]]:
        """Return the look as tensors ``<name>.<contrast>.deep`` and ``….head``; `looks_in` reads them."""
        return {f"{name}.{self.contrast}.deep": self.deep, f"{name}.{self.contrast}.head": self.head}

    def to_bytes(self) -> bytes:
        """Return the look as a safetensors file; `from_bytes` reads it. The same look, the same bytes."""
        return save(self.tensors())


def look_of(volumes: Iterable[Volume], *, contrast: str) -> Look:
    """Measure the look of a scanner.

    Parameters
    ----------
    volumes
        Heads of different people, as that scanner shows them: three or more are better than one.
    contrast
        Of all of them.

    Raises
    ------
    ModelRefused
        When in one of them no head can be told from the air, or there are none.
    """
    profiles = [profile(volume).scaled() for volume in volumes]
    if not profiles:
        raise ModelRefused("there is no reference to take a look from")
    return Look(contrast, np.array([p.deep for p in profiles]), np.array([p.head for p in profiles]))


def looks_in(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Look]:
    """Return name -> look of all looks among some tensors.

    Raises
    ------
    BundleRefused
        When one of them is malformed.
    """
    looks = {}
    for key, deep in tensors.items():
        if not key.endswith(".deep"):
            continue
        name, _, contrast = key.removesuffix(".deep").rpartition(".")
        head = tensors.get(f"{name}.{contrast}.head", np.empty(0))
        try:
            looks[name] = Look(contrast, deep.astype(np.float64), head.astype(np.float64))
        except ValueError as error:
            raise BundleRefused(f"the look {name}: {error}") from None
    return looks


def from_bytes(data: bytes) -> Look:
    """Read a look from a safetensors file.

    Raises
    ------
    BundleRefused
        When it holds none.
    """
    return one_look(tensors_of(data))


def tensors_of(data: bytes) -> Mapping[str, NDArray[Any]]:
    """Read the tensors of a safetensors file.

    Raises
    ------
    BundleRefused
        When it is none.
    """
    try:
        return load(data)
    except SafetensorError as error:
        raise BundleRefused("not a safetensors file") from error


def one_look(tensors: Mapping[str, NDArray[Any]]) -> Look:
    """Return the only look among some tensors.

    Raises
    ------
    BundleRefused
        When there is none, or several.
    """
    try:
        (look,) = looks_in(tensors).values()
    except ValueError:
        raise BundleRefused("the file holds no look") from None
    return look
