"""A head from a label map of a real person: its labels read as tissues, what the labels do not tell invented."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.volume import BoolArray, Float32Array, Float64Array
from training.simulate.head import Head
from training.simulate.shapes import enclosed, smooth_field, wavy_field
from training.simulate.space import LabelArray
from training.simulate.texture import LIVELY
from training.simulate.tissues import Tissue

READING: dict[Tissue, tuple[int, ...]] = {
    Tissue.WHITE_MATTER: (2, 41, 7, 46),
    Tissue.GREY_MATTER: (3, 42, 17, 53, 18, 54),
    Tissue.STRIATUM: (11, 50, 12, 51, 26, 58),
    Tissue.PALLIDUM: (13, 52),
    Tissue.THALAMUS: (10, 49),
    Tissue.CEREBELLAR_CORTEX: (8, 47),
    Tissue.BRAIN_STEM: (16, 28, 60, 85, 508, 512),  # 508 lies where the optic nerve does, 512 is the spinal cord
    Tissue.CSF: (4, 43, 5, 44, 14, 15, 24, 72),
    Tissue.LESION: (25, 57),
    Tissue.BLOOD: (30, 62, 502, 514),  # 502 runs as the carotid arteries do, 514 as sinuses and jugular veins
    Tissue.VITREOUS: (506,),
    Tissue.MUSCLE: (507,),  # soft tissue of any kind, divided below
    Tissue.MUCOSA: (136, 163, 137, 164, 509, 530),  # the first four lie as the choroid plexus does
    Tissue.SKIN: (511,),
    Tissue.CORTICAL_BONE: (515,),
    Tissue.MARROW: (516,),
}
"""Tissue -> labels. FreeSurfer's numbers below 500; the others come without a table and are read by where they lie."""

VERTEX_MM = 90.0
"""Height of the top of the skin above the origin, as in the procedural head."""

_NECK_ENDS_MM = -162.0
_DERMIS_MM = 2.2
_TABLE_MM = 1.9
_FAT_BELOW_SKIN_MM = 6.5
_DEEP_MM = 15.0
_MARGIN = 6


def labelmap_head(path: Path, *, spacing_mm: float = 1.0) -> Head:
    """Read a head from a label map.

    What the labels do not tell is invented: the inner part of the labelled skin is the fat below it; soft tissue is
    fat near the skin, behind the eyes and in sheets between muscles, and muscle elsewhere; the core of the
    skull's bone is diploe; below the lower edge of the map, its last slice goes on as a neck.

    Parameters
    ----------
    path
        NIfTI of about 1 mm, whole head, labels as in `READING`; what is not connected to the head is left out.
    spacing_mm
        Of the cubic voxels of the result, which takes the nearest label.

    Returns
    -------
    With the brain centred on the origin from side to side and from front to back, the vertex at `VERTEX_MM`. Its seed
    comes from the file's name.

    Raises
    ------
    ValueError
        When there are no labels, or some that nobody has read yet.
    """
    seed = zlib.crc32(path.name.encode())
    image = nibabel.as_closest_canonical(nibabel.load(path))
    codes = np.asarray(image.dataobj).astype(np.int16)  # to the right, the front and up
    edges_mm = np.array(image.header.get_zooms()[2::-1], float)
    labels = _body(_tissues(codes.transpose(2, 1, 0)[:, ::-1, ::-1], path))
    labels = _with_neck(labels, float(edges_mm[0]))
    _divide(labels, edges_mm, np.random.default_rng(seed))
    affine = _centred(labels, edges_mm)
    return _at_spacing(labels, affine, spacing_mm, seed)


def _tissues(codes: NDArray[np.int16], path: Path) -> LabelArray:
    table = np.full(1024, 255, np.uint8)
    table[0] = Tissue.AIR
    for tissue, read in READING.items():
        table[list(read)] = tissue
    labels: LabelArray = table[np.where((codes < 0) | (codes >= table.size), table.size - 1, codes)]
    if labels.max() == 255:
        raise ValueError(f"{path.name}: labels that are not read yet: {np.unique(codes[labels == 255]).tolist()}")
    return labels


def _body(labels: LabelArray) -> LabelArray:
    """Return the largest connected part with some air around it, the lower side excepted: there the map ends."""
    parts, count = ndimage.label(labels > 0)
    if not count:
        raise ValueError("the label map is empty")
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    body = np.where(parts == largest, labels, np.uint8(0))
    box = ndimage.find_objects((parts == largest).astype(np.uint8))[0]
    return np.asarray(np.pad(body[box], ((0, _MARGIN), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))))


def _with_neck(labels: LabelArray, edge_mm: float) -> LabelArray:
    """Let the lowest slice go on to where the field of view of any site ends."""
    height_mm = (labels.shape[0] - _MARGIN) * edge_mm
    missing = max(0, round((VERTEX_MM - _NECK_ENDS_MM - height_mm) / edge_mm))
    return np.pad(labels, ((missing, 0), (0, 0), (0, 0)), mode="edge")


def _divide(labels: LabelArray, edges_mm: Float64Array, rng: np.random.Generator) -> None:
    """Divide skin, soft tissue and bone into what they hold."""
    depth = _depth(enclosed(labels > 0), edges_mm)
    skin, soft = labels == Tissue.SKIN, labels == Tissue.MUSCLE
    bone = (labels == Tissue.CORTICAL_BONE) | (labels == Tissue.MARROW)
    fat = _FAT_BELOW_SKIN_MM * (1 + np.float32(0.2) * smooth_field(rng, labels.shape, 8))
    sheets = np.abs(_sheets(rng, labels.shape))
    orbits = _behind_eyes(labels, edges_mm) & (sheets > 0.5)
    labels[skin & (depth > _DERMIS_MM)] = Tissue.FAT
    labels[soft & ((depth < fat) | orbits | (sheets < np.where(depth < _DEEP_MM, 0.14, 0.05)))] = Tissue.FAT
    labels[(labels == Tissue.CORTICAL_BONE) & (_depth(bone, edges_mm) > _TABLE_MM)] = Tissue.MARROW


def _sheets(rng: np.random.Generator, shape: tuple[int, ...]) -> Float32Array:
    """Return a field whose zeros are sheets about 17 mm apart: drawn coarsely, as the fat between muscles."""
    coarse = wavy_field(rng, tuple(n // 3 + 1 for n in shape), 34 / 3)
    fine = ndimage.zoom(coarse, 3, order=1)
    return np.asarray(fine[tuple(slice(n) for n in shape)], np.float32)


def _behind_eyes(labels: LabelArray, edges_mm: Float64Array) -> BoolArray:
    """Return the orbits: within 12 mm of the eyes, and behind their front third."""
    eyes = labels == Tissue.VITREOUS
    near = np.zeros(labels.shape, bool)
    if not eyes.any():
        return near
    box = tuple(
        slice(max(0, s.start - int(13 / e)), s.stop + int(26 / e))
        for s, e in zip(ndimage.find_objects(eyes.astype(np.uint8))[0], edges_mm, strict=True)
    )
    front = ndimage.find_objects(eyes.astype(np.uint8))[0][1].start + round(8 / edges_mm[1])
    distance = ndimage.distance_transform_edt(~eyes[box], sampling=edges_mm)
    near[box] = distance < 12
    near[:, :front] = False
    return near


def _depth(inside: BoolArray, edges_mm: Float64Array) -> Float32Array:
    """Return how deep in a body voxels lie, mm; where the map ends at the neck is no surface."""
    padded = np.pad(inside, ((8, 0), (0, 0), (0, 0)), mode="edge")
    return np.asarray(ndimage.distance_transform_edt(padded, sampling=edges_mm)[8:], np.float32)


def _centred(labels: LabelArray, edges_mm: Float64Array) -> Float64Array:
    """Return the affine that puts the brain's middle and the skin's top where the sites expect them."""
    brain = np.isin(labels, (Tissue.GREY_MATTER, Tissue.WHITE_MATTER))
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = edges_mm
    affine[3, 3] = 1
    for axis, row in ((1, 1), (2, 0)):
        found = np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis)))
        affine[row, 3] = -edges_mm[axis] * (found[0] + found[-1]) / 2
    affine[2, 3] = VERTEX_MM - edges_mm[0] * (labels.shape[0] - _MARGIN - 0.5)
    return affine


def _at_spacing(labels: LabelArray, affine: Float64Array, spacing_mm: float, seed: int) -> Head:
    edges_mm = np.linalg.norm(affine[:3, :3], axis=0)
    if np.allclose(edges_mm, spacing_mm):
        return Head(labels, affine, seed, LIVELY)
    step = spacing_mm / edges_mm
    first = np.floor((step - 1) / 2)  # on a voxel: with whole steps nothing moves
    nearest = [
        np.minimum(np.rint(f + s * np.arange(int(n / s))).astype(int), n - 1)
        for n, s, f in zip(labels.shape, step, first, strict=True)
    ]
    coarse = affine.copy()
    coarse[:3, :3] = affine[:3, :3] * step
    coarse[:3, 3] = affine[:3, :3] @ first + affine[:3, 3]
    return Head(labels[np.ix_(*nearest)], coarse, seed, LIVELY)
