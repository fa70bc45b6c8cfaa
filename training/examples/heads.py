"""The heads that examples are made of, each prepared once and kept in a folder: simulated ones and real ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bounded.frame import FINE_MM, SHAPE, framed
from inference.classical.head import find_head
from inference.volume import BoolArray, Float32Array, Volume
from training.simulate.head import Head
from training.simulate.mixture import mixture

_SAMPLE = 6000
"""Voxels of deep tissue, and as many of the whole head, that stand for a head where it is a mere reference."""


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedHead:
    """A head as mixtures; see `training.simulate.mixture`.

    Attributes
    ----------
    parts, inside, deep
        As in a `Mixture`.
    sample
        Shape (tissues, 2 * `_SAMPLE`), 0 to 1: voxels of deep tissue, then of all tissue.
    sample_at
        Shape (3, 2 * `_SAMPLE`): where these lie, mm from the middle of the frame, along (z, y, x).
    """

    parts: NDArray[np.uint8]
    inside: BoolArray
    deep: BoolArray
    sample: Float32Array
    sample_at: Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class RealHead:
    """A real volume in the frame.

    Attributes
    ----------
    voxels
        Shape `SHAPE`, the 99.9th percentile of the head at 1.
    inside, deep
        Same shape.
    contrast, subject
        Of the image; whose head it is: one subject's images are no references of each other.
    """

    voxels: Float32Array
    inside: BoolArray
    deep: BoolArray
    contrast: str
    subject: str


def prepare_simulated(heads: Iterable[tuple[str, Head]], folder: Path) -> None:
    """Write simulated heads, one file each; a file that is there already stays.

    Parameters
    ----------
    heads
        Name and head; drawn only when needed, so give a generator that is cheap to skip.
    folder
        For them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, head in heads:
        mixed = mixture(head)
        rng = np.random.default_rng(head.seed)
        tissue = mixed.inside & (mixed.parts[0] < 128)
        chosen = np.concatenate([_sampled(rng, where) for where in (mixed.deep & tissue, tissue)])
        sample = mixed.parts.reshape(len(mixed.parts), -1)[:, chosen].astype(np.float32) / 255
        at = (np.stack(np.unravel_index(chosen, SHAPE)) - np.array(SHAPE)[:, None] / 2) * FINE_MM
        _save(
            folder / f"{name}.npz",
            parts=mixed.parts, inside=mixed.inside, deep=mixed.deep, sample=sample, sample_at=at.astype(np.float32),
        )  # fmt: skip


def read_simulated(path: Path) -> SimulatedHead:
    """Read a head that `prepare_simulated` wrote."""
    with np.load(path, allow_pickle=False) as held:
        return SimulatedHead(held["parts"], held["inside"], held["deep"], held["sample"], held["sample_at"])


def prepare_real(volume: Volume, *, contrast: str, subject: str) -> RealHead:
    """Bring a real volume into the frame."""
    seen = framed(volume, find_head(volume))
    top = float(np.percentile(seen.voxels[seen.inside], 99.9))
    voxels = np.asarray(np.maximum(seen.voxels, 0) / top, np.float32)
    return RealHead(voxels, seen.inside, seen.deep, contrast, subject)


def _sampled(rng: np.random.Generator, where: BoolArray) -> NDArray[np.int64]:
    return rng.choice(np.flatnonzero(where), _SAMPLE)


def _save(path: Path, **arrays: NDArray[np.generic]) -> None:
    """Write a file under another name first: one that is there is whole."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.rename(path)
