"""The brain: its hull, folded cortex, white matter, ventricles, nuclei, cerebellum and stem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.volume import Float32Array
from training.simulate.shapes import Coordinates, blend, ellipsoid, smooth_field, tube, wavy_field
from training.simulate.space import LATTICE_MM, Canvas, Region
from training.simulate.tissues import Tissue

GYRUS_MM = 14.0
"""Mean distance between sulci."""
STEM = (((0, 10, -12), (0, 6, -28), (0, 14, -50), (0, 20, -72)), (10, 13.5, 8, 6))
_INSULA_MM = 33.0


@dataclass(frozen=True, slots=True)
class BrainShape:
    """What differs from brain to brain beyond size and bending.

    Attributes
    ----------
    sulcus_mm
        Half width of a sulcus.
    cortex_mm
        Mean thickness of the cortex.
    ventricle
        Radius of the ventricles against the middle-aged mean.
    gap_mm
        Distance between the brain's hull and the inner table.
    """

    sulcus_mm: float
    cortex_mm: float
    ventricle: float
    gap_mm: float


def cerebrum(at: Coordinates) -> Float32Array:
    """Return the distance from the hull of both hemispheres, temporal lobes included."""
    x, y, z = at
    side = np.abs(x)
    egg = (np.asarray(x / (1 + np.float32(0.0012) * y), np.float32), y, z)
    floor = np.float32(-21) + np.float32(6) * np.clip((-y - 15) / 40, 0, 1) - z
    dome = -blend(-ellipsoid(egg, (0, 0, 0), (65, 83, 69)), np.asarray(-floor, np.float32), 22)
    return blend(dome, ellipsoid((side, y, z), (37, -8, -27), (24, 43, 21)), 5)


def cerebellum(at: Coordinates) -> Float32Array:
    """Return the distance from the hull of the cerebellum."""
    x, y, z = at
    lobe = ellipsoid((np.abs(x), y, z), (22, 46, -45), (28, 29, 22))
    return blend(lobe, ellipsoid(at, (0, 42, -42), (12, 24, 20)), 4)


def cavity(at: Coordinates, shape: BrainShape) -> Float32Array:
    """Return the distance from the inner table of the skull."""
    base = blend(cerebellum(at), tube(at, *STEM) - 3, 8)
    return np.asarray(blend(cerebrum(at), base, 8) - np.float32(shape.gap_mm), np.float32)


def paint_brain(canvas: Canvas, region: Region, shape: BrainShape, rng: np.random.Generator) -> None:
    """Paint the brain over a cavity full of CSF."""
    upper = region.part((-75, -92, -55), (75, 92, 78))
    _paint_hemispheres(canvas, upper, shape, rng)
    _paint_cerebellum(canvas, region.part((-56, 10, -75), (56, 82, -15)))
    _paint_core(canvas, region.part((-48, -52, -45), (48, 78, 40)), shape)
    stem = region.part((-22, -14, -160), (22, 46, 2))
    cord = tube(stem.at, (*STEM[0], (0, 27, -100), (0, 27, -170)), (*STEM[1], 5.5, 5.5))
    canvas.paint(stem, [(Tissue.BRAIN_STEM, cord)])
    fourth = ellipsoid(stem.at, (0, 23, -36), (7, 4.5 * shape.ventricle, 10))
    aqueduct = tube(stem.at, ((0, 12, -6), (0, 20, -30)), (1.2, 1.5))
    canvas.paint(stem, [(Tissue.CSF, fourth), (Tissue.CSF, aqueduct)])


def _paint_hemispheres(canvas: Canvas, region: Region, shape: BrainShape, rng: np.random.Generator) -> None:
    x, y, z = region.at
    hull = cerebrum(region.at)
    fold = _folds(region, rng)
    depth = 17 + 4 * smooth_field(rng, hull.shape, 7)
    thick = shape.cortex_mm * (1 + np.float32(0.1) * smooth_field(rng, hull.shape, 6))
    wobble = x + np.float32(1.2) * smooth_field(rng, hull.shape, 5)
    callosum = ellipsoid(region.at, (0, 3, 2), (60, 42, 27))  # below its outer rim the hemispheres are joined
    sylvian = (
        z
        + 9
        - np.float32(0.3) * y
        + np.float32(0.4) * (np.abs(x) - 48)
        + np.float32(2) * smooth_field(rng, hull.shape, 5)
    )
    reach = np.maximum(np.maximum(_INSULA_MM - np.abs(x), -48 - y), y - 34)  # how far the Sylvian fissure is away
    middle = np.maximum(-callosum, -18 - z)

    hull, fold, depth, thick, wobble, sylvian, reach, middle = (
        canvas.fine(region, field) for field in (hull, fold, depth, thick, wobble, sylvian, reach, middle)
    )
    half = np.float32(shape.sulcus_mm)
    inside = np.minimum(-hull, np.hypot(wobble, np.maximum(middle, 0)) - half)
    np.minimum(inside, np.hypot(sylvian, np.maximum(reach, 0)) - half * 1.5, out=inside)
    sulcus = np.hypot(fold, np.maximum(inside - depth, 0)) - half
    cover = np.minimum(inside, sulcus)
    labels = canvas.view(region)
    brain = hull < 0
    labels[brain & (cover > 0)] = Tissue.GREY_MATTER
    labels[brain & (cover > thick)] = Tissue.WHITE_MATTER


def _folds(region: Region, rng: np.random.Generator) -> Float32Array:
    """Return the signed distance, mm, from sheets that run from the hull inwards: the sulci."""
    x, y, z = region.at
    level = np.sqrt((x / 66) ** 2 + (y / 84) ** 2 + (z / 66) ** 2) + np.float32(0.05)
    pull = level ** np.float32(-0.5)  # sample nearly the same noise along a ray: sheets stand on the hull
    noise = wavy_field(rng, x.shape, 2 * GYRUS_MM / LATTICE_MM)
    centre = [(n - 1) / 2 for n in x.shape]
    nodes = [c + (axis * pull) / np.float32(LATTICE_MM) for c, axis in zip(centre, (z, y, x), strict=True)]
    wave = ndimage.map_coordinates(noise, nodes, order=1, mode="mirror")
    slope = np.sqrt(sum(g * g for g in np.gradient(wave, LATTICE_MM)))
    return np.asarray(wave / np.maximum(slope, np.float32(0.04)), np.float32)


def _paint_cerebellum(canvas: Canvas, region: Region) -> None:
    _, y, z = region.at
    hull = canvas.fine(region, cerebellum(region.at))
    turn = np.cos(np.arctan2(z + 40, y - 26) * 11)
    leaf = canvas.fine(region, np.asarray(turn, np.float32))
    labels = canvas.view(region)
    inside = (hull < 0) & (labels == Tissue.CSF)
    white = (hull < -11) | ((hull < -3.5) & (leaf > 0.8 + 0.04 * hull))
    fissure = (leaf < -0.9) & (hull > -9)
    labels[inside & ~fissure] = Tissue.CEREBELLAR_CORTEX
    labels[inside & white] = Tissue.WHITE_MATTER


def _paint_core(canvas: Canvas, region: Region, shape: BrainShape) -> None:
    x, y, z = region.at
    at = (np.abs(x), y, z)
    v = shape.ventricle
    horns = tube(at, ((6, -34, 4), (6.5, -22, 10), (6.5, 0, 15.5), (14, 26, 14), (24, 42, 4), (21, 64, 2)),
                 (4 * v, 5 * v, 4.5 * v, 6 * v, 6 * v, 1.5 * v))  # fmt: skip
    temporal = tube(at, ((24, 40, 3), (32, 22, -12), (29, -6, -24)), (5 * v, 2.5 * v, 1.5 * v))
    septum = 0.9 - at[0]
    caudate = tube(at, ((12, -26, 2), (14, -18, 8), (16, 0, 17), (20, 18, 17)), (6, 7, 3.5, 2))
    thalamus = ellipsoid(at, (9.5, 9, 2), (9, 14, 8.5))
    canvas.paint(region, [
        (Tissue.WHITE_MATTER, ellipsoid(at, (14, 0, 2), (19, 31, 15))),
        (Tissue.STRIATUM, ellipsoid(at, (26, -4, 2), (5.5, 17, 10))),
        (Tissue.PALLIDUM, ellipsoid(at, (19.5, -2, 0), (4, 9, 7))),
        (Tissue.STRIATUM, caudate),
        (Tissue.CSF, np.maximum(np.minimum(horns, temporal), septum)),
        (Tissue.STRIATUM, np.maximum(caudate, 12 - at[0])),
        (Tissue.THALAMUS, thalamus),
        (Tissue.CSF, ellipsoid(at, (0, 2, -1), (1.5 * v, 15, 10))),
    ])  # fmt: skip
