"""What labels of a head lack and CT shows: air cells of the mastoid, and teeth. All of it is invented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from inference.volume import Float32Array
from training.simulate.head import Head
from training.simulate.shapes import wavy_field
from training.simulate.space import LabelArray
from training.simulate.tissues import Tissue

_BONE = (Tissue.CORTICAL_BONE, Tissue.MARROW)
_MASTOID_MM = (54.0, 22.0, -55.0)
"""Middle of the left mastoid in the head's frame (x, y, z), LPS: behind and below the ear canal."""
_REACH_MM = (22.0, 24.0, 26.0)
_CELL_MM = 7.0
_SHELL_MM = 1.2
_BITE_MM = (-110.0, -62.0)
"""Between which heights the upper and the lower jaw meet."""
_CROWN_MM = 8.0
_ARCH_BEGINS_MM = -42.0
_TOOTH_MM = 7.0


def pneumatised(head: Head) -> Head:
    """Return a head with mastoid cells and teeth, for MR and CT alike: whatever scans it sees them.

    The bone behind the ears is filled with air cells of some millimetres below a shell, about as many as its seed
    says; bone of the jaws near the height where they meet, at the front, becomes teeth with gaps of bone, if the head
    has none yet.

    Parameters
    ----------
    head
        In the frame that the sites expect: brain centred, vertex near 90 mm.
    """
    rng = np.random.default_rng([head.seed, 5])
    labels = head.labels.copy()
    _add_cells(labels, head, rng)
    if not (labels == Tissue.TOOTH).any():
        _add_teeth(labels, head)
    return replace(head, labels=labels)


def _add_cells(labels: LabelArray, head: Head, rng: np.random.Generator) -> None:
    z, y, x = _heights_mm(head)
    near = (
        ((np.abs(x) - _MASTOID_MM[0]) / _REACH_MM[0]) ** 2
        + ((y - _MASTOID_MM[1]) / _REACH_MM[1]) ** 2
        + ((z - _MASTOID_MM[2]) / _REACH_MM[2]) ** 2
    ) < 1
    boxes = ndimage.find_objects(near.view(np.uint8))
    if not boxes:
        return
    box = boxes[0]
    bone = np.isin(labels[box], _BONE)
    spacing_mm = float(np.linalg.norm(head.affine[:3, 0]))
    deep = ndimage.distance_transform_edt(bone, sampling=spacing_mm) > _SHELL_MM
    cells = wavy_field(rng, bone.shape, max(_CELL_MM / spacing_mm, 2.0)) > rng.uniform(-0.6, 0.6)
    labels[box][near[box] & deep & cells] = Tissue.AIR


def _add_teeth(labels: LabelArray, head: Head) -> None:
    z, y, x = _heights_mm(head)
    front = np.isin(labels, _BONE) & (y < _ARCH_BEGINS_MM) & (z > _BITE_MM[0]) & (z < _BITE_MM[1])
    heights = z[:, 0, 0]
    counts = front.sum(axis=(1, 2))
    jaws = np.flatnonzero(counts)
    if not jaws.size:
        return
    between = np.arange(jaws[0], jaws[-1] + 1)
    bite_mm = float(heights[between[np.argmin(ndimage.uniform_filter1d(counts[between].astype(float), 3))]])
    gap = np.abs(np.sin(np.pi * _along_arch_mm(x, y) / _TOOTH_MM)) < 0.2
    labels[front & (np.abs(z - bite_mm) < _CROWN_MM) & ~gap] = Tissue.TOOTH


def _along_arch_mm(x: Float32Array, y: Float32Array) -> Float32Array:
    """Return the length along a round arch of 28 mm about a point behind the front teeth."""
    return np.asarray(28 * np.arctan2(x, -(y + 45)), np.float32)


def _heights_mm(head: Head) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return z, y and x of the voxels, each along its own axis."""
    z, y, x = (
        (head.affine[axis, 2 - axis] * np.arange(n) + head.affine[axis, 3]).astype(np.float32)
        for axis, n in zip((2, 1, 0), head.labels.shape, strict=True)
    )
    return z[:, None, None], y[None, :, None], x[None, None, :]
