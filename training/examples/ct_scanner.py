"""A random MR scanner for patches of a head: contrast, coils, resolution, noise and field of view, cheaply imitated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.contract import Contrast
from inference.volume import Float32Array
from training.examples.protocols import person_of, random_protocol
from training.simulate.sequences import Flair, TurboSpinEcho
from training.simulate.texture import LIVELY
from training.simulate.tissues import Tissue

Places = tuple[Float32Array, Float32Array, Float32Array]
"""z, y and x against the crown, mm, of shapes that broadcast."""

_CONTRASTS: Mapping[Contrast, float] = {"T1": 0.4, "T2": 0.2, "PD": 0.2, "FLAIR": 0.2}
_TEXTURE = np.array([LIVELY.spread.get(tissue, 0.0) for tissue in Tissue], np.float32)
_MIDDLE_MM = 90.0
"""How far below the crown the middle of the head lies."""
_FAT = (Tissue.FAT, Tissue.MARROW, Tissue.SKIN)
_OF_2D: Mapping[Contrast, float] = {"T1": 0.2, "T2": 0.6, "PD": 0.6, "FLAIR": 0.6}
"""How often a protocol is 2D."""
_FAT_SATURATED = 0.15


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """What a scan covers, mm against the crown; infinite where it holds all.

    Attributes
    ----------
    low, high
        Along z: what lies below the neck's end, or above a crown that was cut.
    front
        Along y: a nose that was cut.
    """

    low: float
    high: float
    front: float

    def covers(self, at: Places) -> NDArray[np.bool_]:
        """Return whether places are imaged."""
        z, y, x = at
        covered = (z >= self.low) & (z <= self.high) & (y >= self.front)
        return np.asarray(covered & np.ones_like(x, bool))  # the shape of a place, not of a plane


@dataclass(frozen=True, slots=True, eq=False)
class Scanner:
    """How one scan shows a head.

    Attributes
    ----------
    levels
        Shape (tissues,): signal of each; white matter's is 1.
    texture
        Shape (tissues,): amount of it.
    rim, reach_mm, bend
        Receive field: systematic part as in `training.simulate.scan`, and weights of a random quadratic.
    sigma
        Point spread along (z, y, x), mm.
    slices
        (axis, thickness, spacing) of a 2D protocol, mm; None: 3D.
    noise
        In both channels, against white matter.
    view
        What is imaged.
    """

    levels: Float32Array
    texture: Float32Array
    rim: float
    reach_mm: float
    bend: Float32Array
    sigma: tuple[float, float, float]
    slices: tuple[int, int, int] | None
    noise: float
    view: FieldOfView

    def gain(self, at: Places) -> Float32Array:
        """Return the receive field at places."""
        z, y, x = at
        z = z + np.float32(_MIDDLE_MM)
        away = (x**2 + y**2 + np.maximum(z, 0) ** 2) * np.float32(1e-4 * self.rim)
        log_gain = away - (np.maximum(-z, 0) / np.float32(self.reach_mm)) ** 2
        unit = [each / np.float32(60) for each in (z, y, x)]
        terms = [*unit, *(u**2 - 1 for u in unit), *(unit[a] * unit[b] for a, b in ((0, 1), (1, 2), (2, 0)))]
        for weight, term in zip(self.bend, terms, strict=True):
            log_gain = log_gain + weight * term
        return np.asarray(np.exp(np.clip(log_gain, -3, 1.5)), np.float32)

    def brightness(self, tissue: NDArray[np.uint8], at: Places) -> Float32Array:
        """Return what single voxels show without noise: a scale is taken from it."""
        return self.levels[tissue] * self.gain(at)

    def image(self, tissue: NDArray[np.uint8], texture: Float32Array, at: Places, seed: int) -> Float32Array:
        """Scan a patch of voxels of 1 mm.

        Parameters
        ----------
        tissue, texture
            Shape (slices, rows, columns): labels, and a field of standard deviation about 0.6.
        at
            Where.
        seed
            Of the noise.
        """
        signal = (self.levels * self.texture)[tissue] * texture
        signal += self.levels[tissue]
        np.maximum(signal, 0, out=signal)
        signal *= self.gain(at)
        if self.slices is None:
            signal = ndimage.gaussian_filter(signal, self.sigma, output=signal, truncate=2.5)
            image = self._noisy(signal, seed)
        else:
            image = self._in_slices(signal, *self.slices, seed)
        return np.asarray(image * self.view.covers(at), np.float32)

    def _noisy(self, signal: Float32Array, seed: int) -> Float32Array:
        rng = np.random.default_rng(seed)
        noise = np.float32(self.noise)
        real = signal + noise * rng.standard_normal(signal.shape, np.float32)
        return np.asarray(np.hypot(real, noise * rng.standard_normal(signal.shape, np.float32)), np.float32)

    def _in_slices(self, signal: Float32Array, axis: int, thickness: int, spacing: int, seed: int) -> Float32Array:
        """Average over slices, and interpolate between them, as bringing such a series into the frame does."""
        sigma = [0.0 if a == axis else s for a, s in enumerate(self.sigma)]
        signal = ndimage.gaussian_filter(signal, sigma, output=signal, truncate=2.5)
        length = signal.shape[axis]
        if length <= spacing:  # a patch of sagittal slices, thinner than a slice
            return self._noisy(np.repeat(signal.mean(axis=axis, keepdims=True), length, axis=axis), seed)
        thick = ndimage.uniform_filter1d(signal, thickness, axis=axis)
        acquired = self._noisy(np.take(thick, np.arange(seed % spacing, length, spacing), axis=axis), seed)
        nodes = np.clip((np.arange(length) - seed % spacing) / spacing, 0, acquired.shape[axis] - 1)
        low = np.minimum(nodes.astype(int), max(acquired.shape[axis] - 2, 0))
        share = (nodes - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        first = np.take(acquired, low, axis=axis)
        second = np.take(acquired, np.minimum(low + 1, acquired.shape[axis] - 1), axis=axis)
        return np.asarray(first + share * (second - first), np.float32)


def random_scanner(rng: np.random.Generator) -> Scanner:
    """Draw a scanner: T1, T2, PD or FLAIR at 1.5 or 3 T, of timing, coils, voxels, noise and cover in wide ranges.

    The ranges are invented around what scanners are set to. Now and then fat is saturated, and in spin echoes blood
    has lost some of its signal. Transmit fields, ghosts and oblique slices are left out.
    """
    contrast: Contrast = list(_CONTRASTS)[rng.choice(len(_CONTRASTS), p=list(_CONTRASTS.values()))]
    protocol = random_protocol(rng, contrast)
    levels = protocol.levels(person_of(rng, protocol.field_strength, spread=0.04))
    if isinstance(protocol.sequence, TurboSpinEcho | Flair):
        levels[Tissue.BLOOD] *= rng.uniform(0.1, 0.6)
    if rng.random() < _FAT_SATURATED:
        levels[list(_FAT)] *= rng.uniform(0.15, 0.6)
    flat = rng.random() < _OF_2D[contrast]
    in_plane = rng.uniform(0.35, 0.6, 2)
    thickness = int(rng.integers(2, 6))
    axis = int(rng.choice(3, p=(0.7, 0.15, 0.15)))
    return Scanner(
        levels=levels,
        texture=_TEXTURE * np.float32(rng.uniform(0.5, 1.5)),
        rim=protocol.receive_field.rim,
        reach_mm=protocol.receive_field.reach_mm,
        bend=(protocol.receive_field.random * rng.normal(0, 1 / 3, 9)).astype(np.float32),
        sigma=(in_plane[0], in_plane[0], in_plane[1]),
        slices=(axis, thickness, thickness + int(rng.integers(0, 3))) if flat else None,
        noise=float(np.exp(rng.uniform(np.log(0.004), np.log(0.05)))),
        view=_random_view(rng),
    )


def _random_view(rng: np.random.Generator) -> FieldOfView:
    cut_low, cut_high, cut_front = rng.random(3) < (0.5, 0.15, 0.1)
    return FieldOfView(
        low=rng.uniform(-230, -110) if cut_low else -np.inf,
        high=rng.uniform(-25, 0) if cut_high else np.inf,
        front=rng.uniform(-105, -70) if cut_front else -np.inf,
    )
