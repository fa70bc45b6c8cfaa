"""Where a head is drawn: a bent lattice that bodies are computed on, and the labels that they are painted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.volume import Float32Array, Float64Array
from training.simulate.shapes import Coordinates, Point, smooth_field
from training.simulate.tissues import Tissue

Box: TypeAlias = tuple[slice, slice, slice]
LabelArray: TypeAlias = NDArray[np.uint8]

LATTICE_MM = 2.0
"""Bodies are computed this coarsely, then interpolated to voxels: the same head at any spacing, and quickly."""
LOW: Point = (-93.0, -131.0, -157.0)
HIGH: Point = (93.0, 111.0, 99.0)
"""The field of view of a head, (x, y, z) LPS in mm: about that of a sagittal 3D T1."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of the lattice.

    Attributes
    ----------
    box
        Where it lies, axes (z, y, x).
    at
        The coordinates of its nodes before the head was deformed: bodies are given in these.
    """

    box: Box
    at: Coordinates

    def part(self, low: Point, high: Point) -> Region:
        """Return the smallest part of it that holds all between two corners, undeformed mm, with two nodes to spare."""
        inside = np.ones(self.at[0].shape, bool)
        for coordinate, least, most in zip(self.at, low, high, strict=True):
            inside &= (coordinate > least) & (coordinate < most)
        box, part = [], []
        for axis, outer in enumerate(self.box):
            hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
            first, last = max(int(hit[0]) - 2, 0), min(int(hit[-1]) + 3, inside.shape[axis])
            part.append(slice(first, last))
            box.append(slice(outer.start + first, outer.start + last))
        x, y, z = (coordinate[tuple(part)] for coordinate in self.at)
        return Region((box[0], box[1], box[2]), (x, y, z))


def lattice(rng: np.random.Generator, scale: Point, *, bend_mm: float) -> Region:
    """Return the whole lattice, scaled along (x, y, z) and smoothly bent by about `bend_mm` (standard deviation)."""
    shape = tuple(round((high - low) / LATTICE_MM) + 1 for low, high in zip(LOW[::-1], HIGH[::-1], strict=True))
    coordinates: list[Float32Array] = []
    for axis, factor in enumerate(scale):
        line = np.arange(shape[2 - axis], dtype=np.float32) * np.float32(LATTICE_MM) + np.float32(LOW[axis])
        line = line.reshape([-1 if a == 2 - axis else 1 for a in range(3)])
        bent = (line - bend_mm * smooth_field(rng, shape, 4)) / factor
        coordinates.append(np.asarray(bent, np.float32))
    x, y, z = coordinates
    return Region((slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])), (x, y, z))


class Canvas:
    """A label volume that is painted body by body, the later over the earlier.

    Parameters
    ----------
    spacing_mm
        Of the label volume, along every axis.
    """

    def __init__(self, spacing_mm: float) -> None:
        self.spacing_mm = spacing_mm
        counts = [int((high - low) / spacing_mm + 1e-6) for low, high in zip(LOW, HIGH, strict=True)]
        self.labels: LabelArray = np.zeros(tuple(counts[::-1]), np.uint8)
        self._positions = [(np.arange(n) + 0.5) * spacing_mm / LATTICE_MM for n in counts[::-1]]

    @property
    def affine(self) -> Float64Array:
        """Shape (4, 4): (slice, row, column, 1) to LPS mm; slices go up, rows to the back, columns to the left."""
        affine = np.zeros((4, 4))
        affine[[2, 1, 0], [0, 1, 2]] = self.spacing_mm
        affine[:3, 3] = np.array(LOW) + self.spacing_mm / 2
        affine[3, 3] = 1
        return affine

    def paint(self, region: Region, layers: Sequence[tuple[Tissue, Float32Array]]) -> None:
        """Paint every layer where its field on the region's nodes is negative, the later over the earlier."""
        view = self.view(region)
        for tissue, field in layers:
            view[self.fine(region, field) < 0] = tissue

    def view(self, region: Region) -> LabelArray:
        """Return the labels of the voxels that lie between the region's nodes, to be written to."""
        return self.labels[self._voxels(region)]

    def fine(self, region: Region, field: Float32Array) -> Float32Array:
        """Return a field on the region's nodes, interpolated to the voxels of `view`."""
        for axis in (2, 1, 0):  # the axis that memory runs along first: later passes copy whole rows
            position = self._positions[axis][self._voxels(region)[axis]] - region.box[axis].start
            node = np.minimum(position.astype(int), field.shape[axis] - 2)
            weight = (position - node).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
            low = np.take(field, node, axis)
            field = np.take(field, node + 1, axis)
            field -= low
            field *= weight
            field += low
        return field

    def _voxels(self, region: Region) -> Box:
        slices, rows, columns = (
            slice(*(int(i) for i in np.searchsorted(positions, (nodes.start, nodes.stop - 1))))
            for positions, nodes in zip(self._positions, region.box, strict=True)
        )
        return slices, rows, columns
