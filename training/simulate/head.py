"""A procedural head: tissues of a plausible person, different for every seed, the same for the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.volume import Float64Array
from training.simulate.brain import BrainShape, cavity, paint_brain
from training.simulate.face import FaceShape, outline, paint_bone, paint_parts, paint_soft_tissue
from training.simulate.shapes import Point
from training.simulate.space import Canvas, LabelArray, lattice
from training.simulate.texture import PLAIN, Texture
from training.simulate.tissues import Tissue


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A head as a label volume.

    Attributes
    ----------
    labels
        Shape (slices, rows, columns), values of `Tissue`.
    affine
        Shape (4, 4): takes (slice, row, column, 1) to (x, y, z, 1), LPS mm.
    seed
        What it was made from: texture that belongs to the head, not to a scan, comes from it.
    texture
        How uniform its tissues are.
    """

    labels: LabelArray
    affine: Float64Array
    seed: int
    texture: Texture = PLAIN

    def millilitres(self, *tissues: Tissue) -> float:
        """Return the volume of some tissues together."""
        voxels = np.isin(self.labels, tissues).sum()
        return float(voxels * abs(np.linalg.det(self.affine[:3, :3])) / 1000)


def procedural_head(seed: int, spacing_mm: float = 1.0) -> Head:
    """Draw a head.

    Shapes and proportions are invented after anatomy atlases and the volumes of real label maps: they stand for no
    person and for no atlas.

    Parameters
    ----------
    seed
        The same seed gives the same head at any spacing.
    spacing_mm
        Of the cubic voxels.
    """
    rng = np.random.default_rng(seed)
    size = rng.normal(0.985, 0.02)
    scale: Point = (size * rng.normal(1, 0.02), size * rng.normal(1, 0.02), size * rng.normal(1, 0.02))
    brain = BrainShape(
        sulcus_mm=float(rng.uniform(0.3, 0.6)),
        cortex_mm=float(rng.normal(2.5, 0.12)),
        ventricle=float(rng.uniform(0.75, 1.3)),
        gap_mm=float(rng.uniform(1.2, 2.6)),
    )
    face = FaceShape(
        skull_mm=float(rng.normal(6.8, 0.6)), scalp_mm=float(rng.normal(5.4, 0.6)), fat_mm=float(rng.uniform(1, 5))
    )
    region = lattice(rng, scale, bend_mm=1.6)
    canvas = Canvas(spacing_mm)
    inner = cavity(region.at, brain)
    skin = outline(region.at, inner, face)
    paint_soft_tissue(canvas, region, skin, face, rng)
    paint_bone(canvas, region, (inner, skin), face, rng)
    paint_parts(canvas, region, skin)
    canvas.paint(region, [(Tissue.CSF, inner)])
    paint_brain(canvas, region, brain, rng)
    return Head(canvas.labels, canvas.affine, seed)
