"""Everything around the brain: scalp, skull, orbits, airways, jaws and neck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.volume import Float32Array
from training.simulate.shapes import Coordinates, Point, blend, ellipsoid, smooth_field, tube, wavy_field
from training.simulate.space import LATTICE_MM, Canvas, Region
from training.simulate.tissues import Tissue

_T = Tissue


@dataclass(frozen=True, slots=True)
class FaceShape:
    """What differs from head to head outside the brain, mm.

    Attributes
    ----------
    skull_mm, scalp_mm
        Mean thickness of the calvaria, and of skin and fat above it.
    fat_mm
        Mean thickness of the fat below the skin of cheek and neck.
    """

    skull_mm: float
    scalp_mm: float
    fat_mm: float


@dataclass(frozen=True, slots=True)
class Part:
    """A tube through points, or an ellipsoid around one, on both sides of the head when it is not in the middle.

    Attributes
    ----------
    points, radii
        Of a tube; one point and its three radii make an ellipsoid. mm.
    layers
        Tissues from without inwards, each with how far outside the shape it begins, mm.
    """

    points: tuple[Point, ...]
    radii: tuple[float, ...]
    layers: tuple[tuple[Tissue, float], ...]

    def field(self, at: Coordinates) -> Float32Array:
        """Return the distance from the shape."""
        mirrored = (np.abs(at[0]), at[1], at[2])
        if len(self.points) > 1:
            return tube(mirrored, self.points, self.radii)
        a, b, c = self.radii
        return ellipsoid(mirrored, self.points[0], (a, b, c))

    def corners(self) -> tuple[Point, Point]:
        """Return the corners of a box around the shape and its layers."""
        reach = max(self.radii) + max(outset for _, outset in self.layers) + 1
        x, y, z = zip(*self.points, strict=True)
        return (-max(x) - reach, min(y) - reach, min(z) - reach), (max(x) + reach, max(y) + reach, max(z) + reach)


_BONE = ((_T.CORTICAL_BONE, 0.0), (_T.MARROW, -2.0))
_AIRWAY = ((_T.MUCOSA, 2.0), (_T.AIR, 0.0))

PARTS: tuple[Part, ...] = (
    Part(((14, -32, -27), (31, -68, -29)), (8, 17), ((_T.CORTICAL_BONE, 2.0), (_T.FAT, 0.0))),  # orbit
    Part(((31, -60, -29), (15, -32, -27)), (2, 2), ((_T.BRAIN_STEM, 0.0),)),  # optic nerve
    Part(((34, -62, -18), (16, -34, -22)), (2.2, 2), ((_T.MUSCLE, 0.0),)),  # its muscles: upper, lower, lateral
    Part(((32, -62, -41), (16, -34, -32)), (2.2, 2), ((_T.MUSCLE, 0.0),)),
    Part(((44, -64, -29), (20, -34, -27)), (2.2, 2), ((_T.MUSCLE, 0.0),)),
    Part(((31, -72, -29),), (12.3, 12.3, 12.3), ((_T.MUSCLE, 0.8), (_T.VITREOUS, 0.0))),  # eye
    Part(((31, -80.5, -29),), (4.6, 2.2, 4.6), ((_T.LENS, 0.0),)),
    Part(((60, 26, -52),), (9, 10, 14), ((_T.CORTICAL_BONE, 3.0), (_T.MARROW, 0.0))),  # mastoid
    Part(((20, 2, -42), (52, 24, -44)), (6, 9), _BONE),  # petrous bone
    Part(((0, -16, -38), (0, 4, -62)), (7, 6), _BONE),  # clivus
    Part(((46, -68, -50), (60, -48, -47), (66, -10, -46)), (6, 4, 3.5), _BONE),  # zygoma
    Part(((0, -76, -78), (16, -70, -78), (25, -48, -78)), (6, 6, 6), _BONE),  # upper jaw
    Part(((0, -50, -71), (16, -50, -71)), (2, 2), ((_T.CORTICAL_BONE, 0.0),)),  # hard palate
    Part(((0, -81, -87), (15, -75, -87), (24, -50, -87)), (4, 4, 4.5), ((_T.TOOTH, 0.0), (_T.MARROW, -3.2))),
    Part(((0, -80, -98), (14, -74, -98), (23, -50, -98)), (4, 4, 4.5), ((_T.TOOTH, 0.0), (_T.MARROW, -3.2))),
    Part(((0, -79, -114), (18, -72, -112), (43, -28, -104), (50, -12, -62)), (8, 8, 7, 5), _BONE),  # lower jaw
    Part(((14, -46, -53), (11, -78, -55)), (9, 6), ((_T.MUCOSA, 1.0),)),  # nasal cavity, its turbinates and passages
    Part(((5, -40, -60), (5, -82, -60)), (2.0, 2.5), ((_T.AIR, 0.0),)),
    Part(((5, -40, -46), (4, -74, -44)), (2.5, 2.0), ((_T.AIR, 0.0),)),
    Part(((13, -44, -52), (12, -72, -52)), (2.0, 2.0), ((_T.AIR, 0.0),)),
    Part(((6, -44, -30), (7, -66, -29)), (5, 5), _AIRWAY),  # ethmoid cells
    Part(((28, -58, -57),), (11, 14, 13), ((_T.CORTICAL_BONE, 2.5), *_AIRWAY)),  # maxillary sinus
    Part(((8, -28, -37),), (9, 10, 9), ((_T.CORTICAL_BONE, 2.5), *_AIRWAY)),  # sphenoid sinus
    Part(((9, -83, -8),), (10, 4, 8), ((_T.CORTICAL_BONE, 2.0), *_AIRWAY)),  # frontal sinus
    Part(((0, -56, -79), (8, -56, -79)), (1.6, 1.4), ((_T.AIR, 0.0),)),  # mouth
    Part(((0, -24, -58), (0, -12, -80), (0, -12, -112), (0, -20, -175)), (8, 6, 6, 8), _AIRWAY),  # pharynx, trachea
    Part(((34, 0, -70), (26, -2, -175)), (4, 4), ((_T.BLOOD, 0.0),)),  # great vessels of the neck
)


def outline(at: Coordinates, cavity: Float32Array, shape: FaceShape) -> Float32Array:
    """Return the distance from the skin."""
    x, y, z = at
    side = (np.abs(x), y, z)
    temple = 8 * np.exp(-(((y + 28) / 28) ** 2) - ((z + 18) / 26) ** 2) * np.clip((side[0] - 35) / 15, 0, 1)
    scalp = cavity - np.float32(shape.skull_mm + shape.scalp_mm) - temple
    face = blend(ellipsoid(side, (0, -42, -62), (64, 54, 62)), ellipsoid(side, (0, -44, -106), (50, 50, 31)), 25)
    nose = tube(at, ((0, -90, -34), (0, -104, -58), (0, -92, -66)), (7, 9, 12))
    neck = np.hypot(x * np.float32(1.04), y - 22 + np.float32(0.1) * z + 10) - 57
    neck = np.maximum(neck, z + 45)
    head = blend(blend(scalp, face, 16), neck, 45)
    ear = ellipsoid(side, (77, 18, -38), (5, 15, 29))
    return blend(blend(head, nose, 10), ear, 4)


def paint_soft_tissue(
    canvas: Canvas, region: Region, skin: Float32Array, shape: FaceShape, rng: np.random.Generator
) -> None:
    """Paint skin, the fat below it and, deeper, muscle with fat between its bellies."""
    _, y, z = region.at
    low = np.clip((-30 - z) / 40, 0, 1)
    fat = shape.scalp_mm - 2 + low * np.float32(shape.fat_mm) * np.clip((y + 130) / 120, 0.5, 1.3)
    fat = fat * (1 + np.float32(0.2) * smooth_field(rng, skin.shape, 8))
    between = np.maximum(np.abs(wavy_field(rng, skin.shape, 34 / LATTICE_MM)) - np.float32(0.2), skin + 6)
    muscle = np.asarray(skin + 2 + fat, np.float32)
    canvas.paint(region, [(_T.SKIN, skin), (_T.FAT, skin + 2), (_T.MUSCLE, muscle), (_T.FAT, between)])


def paint_bone(
    canvas: Canvas, region: Region, fields: tuple[Float32Array, Float32Array], shape: FaceShape,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Paint the cranium and the spine; `fields` are the distances from the cavity and from the skin."""
    cavity, skin = fields
    _, y, z = region.at
    thick = shape.skull_mm * (1 + np.float32(0.15) * smooth_field(rng, skin.shape, 6))
    thick = thick * (1 - np.float32(0.45) * np.exp(-(((z + 15) / 22) ** 2)) * (y < 40))
    bone = np.maximum(cavity - thick, skin + 3)
    diploe = np.asarray(np.abs(cavity - thick / 2) - thick / 2 + 1.5, np.float32)
    canvas.paint(region, [(_T.CORTICAL_BONE, bone), (_T.MARROW, diploe)])
    spine = region.part((-30, -10, -170), (30, 75, -68))
    disc = np.float32(0.72) - np.cos((spine.at[2] + 80) * np.float32(2 * np.pi / 18))  # every 18 mm
    body = tube(spine.at, ((0, 10, -74), (0, 8, -170)), (9.5, 10.5))
    arch = tube((np.abs(spine.at[0]), *spine.at[1:]), ((0, 48, -80), (14, 30, -80), (14, 30, -170)), (5, 5, 5))
    column = np.asarray(np.minimum(body, arch), np.float32)
    canal = tube(spine.at, ((0, 20, -66), (0, 27, -100), (0, 27, -175)), (11, 9.5, 9))
    canvas.paint(spine, [
        (_T.CORTICAL_BONE, column), (_T.MARROW, column + np.float32(1.6)),
        (_T.MUSCLE, np.maximum(body + 1, np.asarray(disc * 4, np.float32))), (_T.CSF, canal),
    ])  # fmt: skip


def paint_parts(canvas: Canvas, region: Region, skin: Float32Array) -> None:
    """Paint orbits, jaws, sinuses and airways, as far as they lie under the skin."""
    whole = [nodes.start for nodes in region.box]
    for part in PARTS:
        near = region.part(*part.corners())
        covered = skin[tuple(slice(s.start - w, s.stop - w) for s, w in zip(near.box, whole, strict=True))] + 1.5
        field = part.field(near.at)
        canvas.paint(
            near, [(tissue, np.maximum(field - np.float32(outset), covered)) for tissue, outset in part.layers]
        )
