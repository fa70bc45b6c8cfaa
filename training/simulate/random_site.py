"""A site drawn at random: some scanner, as a network should see many of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from inference.contract import Contrast
from training.simulate.grid import Grid, Plane
from training.simulate.sequences import Flair, Mprage, Sequence, SpoiledGradientEcho, TurboSpinEcho
from training.simulate.sites import ReceiveField, Site, TransmitField
from training.simulate.tissues import FieldStrength

_PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
_VENDORS: tuple[Literal["GE", "Philips", "Siemens", "Canon"], ...] = ("GE", "Philips", "Siemens", "Canon")
_COVER_MM: dict[Plane, tuple[float, float, float]] = {
    "axial": (190, 240, 240), "coronal": (220, 240, 240), "sagittal": (176, 250, 250),
}  # fmt: skip
_OF_2D = 0.2


def random_site(rng: np.random.Generator) -> Site:
    """Draw a T1 site.

    Timing comes evenly from what scanners are set to; field strength, coils, transmit field, noise, point spread,
    voxels and scaling are drawn too; all ranges are invented around the named sites. Three in four are MPRAGE.

    Parameters
    ----------
    rng
        Its state decides: the same state, the same site.
    """
    strength: FieldStrength = "3 T" if rng.random() < 0.5 else "1.5 T"
    flat = rng.random() < _OF_2D
    sequence = _turbo(rng) if flat else _SEQUENCES["T1"][rng.integers(len(_SEQUENCES["T1"]))](rng)
    unevenness = 1.0 if strength == "3 T" else 0.4
    return Site(
        name="random",
        vendor=_VENDORS[rng.integers(len(_VENDORS))],
        field_strength=strength,
        sequence=sequence,
        grid=_grid(rng, flat=flat),
        receive_field=ReceiveField(rng.uniform(-0.1, 0.45), rng.uniform(0.03, 0.13), rng.uniform(120, 240)),
        noise=float(np.exp(rng.uniform(np.log(0.012), np.log(0.08)))),
        blur=rng.uniform(0.95, 1.5),
        white_matter=float(np.exp(rng.uniform(np.log(120), np.log(1800)))),
        gain_spread=0.1,
        transmit_field=TransmitField(
            1 + unevenness * rng.uniform(0, 0.15), -unevenness * rng.uniform(0.05, 0.25), unevenness * 0.03
        ),
    )


def random_sequence(rng: np.random.Generator, contrast: Contrast) -> Sequence:
    """Draw a pulse sequence of a contrast; all ranges are invented around what scanners are set to."""
    if contrast == "T1" and rng.random() < _OF_2D:
        return _turbo(rng)
    kinds = _SEQUENCES[contrast]
    return kinds[rng.integers(len(kinds))](rng)


def _grid(rng: np.random.Generator, *, flat: bool) -> Grid:
    plane = _PLANES[rng.integers(3)]
    pixel = rng.uniform(0.7, 1.2)
    spacing = rng.uniform(4, 7) if flat else rng.uniform(0.9, 2.0)
    slices, rows, columns = (
        round(cover / mm) for cover, mm in zip(_COVER_MM[plane], (spacing, pixel, pixel), strict=True)
    )
    thickness = spacing * rng.uniform(0.75, 1.0) if flat else None
    tilt = rng.normal(0, 6) if plane == "axial" else 0.0
    return Grid(plane, (slices, rows, columns), (spacing, pixel, pixel), tilt_deg=tilt, thickness_mm=thickness)


def _mprage(rng: np.random.Generator) -> Sequence:
    cycle, inversion, spacing = rng.uniform(1600, 2800), rng.uniform(700, 1150), rng.uniform(5.5, 11)
    longest = 0.96 * 2 * min(inversion, cycle - inversion) / spacing
    echoes = min(int(rng.integers(90, 200)), int(longest))
    return Mprage(cycle, inversion, echoes, spacing, rng.uniform(1.8, 5), rng.uniform(6, 13))


def _spoiled(rng: np.random.Generator) -> Sequence:
    return SpoiledGradientEcho(rng.uniform(8, 35), rng.uniform(1.5, 6), rng.uniform(15, 35))


def _turbo(rng: np.random.Generator) -> Sequence:
    spacing = rng.uniform(8, 14)
    return TurboSpinEcho(rng.uniform(400, 750), spacing, int(rng.integers(1, 5)), spacing, rng.uniform(140, 180))


def _t2(rng: np.random.Generator) -> Sequence:
    return _train_of_echoes(rng, rng.uniform(3000, 7000), rng.uniform(75, 120))


def _pd(rng: np.random.Generator) -> Sequence:
    return _train_of_echoes(rng, rng.uniform(2000, 5000), rng.uniform(10, 35))


def _train_of_echoes(rng: np.random.Generator, repetition_ms: float, echo_ms: float) -> Sequence:
    spacing = rng.uniform(8, 15)
    middle = max(round(echo_ms / spacing), 1)
    return TurboSpinEcho(repetition_ms, middle * spacing, middle + 2, spacing, rng.uniform(130, 180))


def _flair(rng: np.random.Generator) -> Sequence:
    spacing = rng.uniform(9, 15)
    middle = round(rng.uniform(90, 140) / spacing)
    cycle = rng.uniform(7000, 11000)
    inversion = cycle * rng.uniform(0.235, 0.29)
    return Flair(cycle, inversion, middle * spacing, middle + 2, spacing, rng.uniform(130, 180))


_SEQUENCES: Mapping[Contrast, tuple[Callable[[np.random.Generator], Sequence], ...]] = {
    "T1": (_mprage, _mprage, _mprage, _spoiled), "T2": (_t2,), "PD": (_pd,), "FLAIR": (_flair,),
}  # fmt: skip
