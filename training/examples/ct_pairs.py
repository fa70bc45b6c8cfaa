"""Examples for synthetic CT: patches or slices of MR in random scanners, with CT of the same head, or of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from inference.ct.frame import ABOVE_CROWN_MM, normalised, scale_of
from inference.ct.hounsfield import AIR_HU
from inference.volume import Float32Array
from training.examples.ct_heads import INSIDE, LABEL, NEAR, CtHead
from training.examples.ct_scanner import FieldOfView, Places, Scanner, random_scanner
from training.simulate.ct_tissues import ct_texture, hounsfield

Patch = tuple[int, int, int]
Arrays = dict[str, NDArray[np.float32]]

_BOX_MM = ((-235.0, ABOVE_CROWN_MM), (-115.0, 115.0), (-85.0, 85.0))
"""Where heads lie against their crown, (z, y, x): patches lie within, or in its middle when they are larger."""
_TURN_DEG = 5.0
_SCALE = 0.05
_JITTER_MM = 6.0
_CT_SIGMA_MM = 0.45
"""Point spread of the CT that is learned from; its noise is left out, since nothing in the MR tells it."""
_SAMPLED = 6


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A patch of a head in some pose: codes, its first voxel against the crown (mm), and samples of the whole head."""

    codes: NDArray[np.uint8]
    corner: Float32Array
    sample: NDArray[np.uint8]
    sample_at: Places

    def at(self) -> Places:
        z, y, x = (
            (np.arange(n, dtype=np.float32) + c).reshape([-1 if a == axis else 1 for a in range(3)])
            for axis, (n, c) in enumerate(zip(self.codes.shape, self.corner, strict=True))
        )
        return z, y, x


class CtPairs:
    """Groups of examples; the same number gives the same group.

    Parameters
    ----------
    heads
        To draw from; with `ct_heads`, for MR alone.
    patch
        Voxels of 1 mm along (z, y, x).
    group
        Examples a group: scans of one patch in several scanners.
    seed
        Another seed, other groups.
    ct_heads
        Other people, whose CT stands beside the MR: there are no pairs then. None: pairs.
    """

    def __init__(
        self, heads: Sequence[CtHead], patch: Patch, *, group: int, seed: int, ct_heads: Sequence[CtHead] | None = None
    ) -> None:
        self._heads, self._ct_heads = heads, ct_heads
        self._patch, self._group, self._seed = patch, group, seed

    def __getitem__(self, number: int) -> Arrays:
        """Return a group, its examples stacked along the first axis.

        Returns
        -------
        ``mr``: (group, 1, *patch), 0 to 3, as `inference.ct.frame` has it; ``ct``: same shape, HU; ``weight``: same
        shape, 1 in the head and a little around it where it is imaged; ``inside``: same, the head alone;
        ``corner_mm``: (group, 3), (z, y, x) of the first voxel against the crown as it is seen.
        """
        rng = np.random.default_rng([self._seed, number])
        head = self._heads[int(rng.integers(len(self._heads)))]
        seen = _posed(rng, head, self._patch)
        scanners = [random_scanner(rng) for _ in range(self._group)]
        texture = ct_texture(rng, self._patch, 1.0)  # of the MR: another draw than the CT's, since nothing ties them
        mr = [_mr(scanner, seen, texture, int(rng.integers(2**31))) for scanner in scanners]
        if self._ct_heads is not None:
            head = self._ct_heads[int(rng.integers(len(self._ct_heads)))]
            seen = _posed(rng, head, self._patch)
        ct = _ct(rng, head, seen.codes)
        examples = [self._beside(image, ct, seen, scanner.view) for image, scanner in zip(mr, scanners, strict=True)]
        return {name: np.stack([each[name] for each in examples]) for name in examples[0]}

    def _beside(self, mr: Float32Array, ct: Float32Array, seen: _Seen, view: FieldOfView) -> Arrays:
        """Put together one example: where nothing is imaged, the CT is air too, and nothing is asked for."""
        covered = view.covers(seen.at())
        top = min(view.high, 0.0)  # a crown that was cut is taken for lower than it is
        return {
            "mr": mr[None],
            "ct": np.where(covered, ct, np.float32(AIR_HU))[None],
            "weight": (covered & ((seen.codes & NEAR) > 0)).astype(np.float32)[None],
            "inside": (covered & ((seen.codes & INSIDE) > 0)).astype(np.float32)[None],
            "corner_mm": (seen.corner - np.array([top, 0, 0])).astype(np.float32),
        }


def _posed(rng: np.random.Generator, head: CtHead, patch: Patch) -> _Seen:
    """Turn, scale and mirror a head, all a little and at random, and cut a patch out of it."""
    linear = Rotation.from_euler("xyz", _TURN_DEG * rng.standard_normal(3), degrees=True).as_matrix()
    linear = linear * np.exp(_SCALE * rng.standard_normal() + _SCALE / 2 * rng.standard_normal(3))
    if rng.random() < 0.5:  # heads are mirror images of heads
        linear[2] *= -1
    corner = np.array([_corner(rng, length, box) for length, box in zip(patch, _BOX_MM, strict=True)], np.float32)
    to_voxels = np.linalg.inv(linear) / head.spacing_mm
    offset = np.array(head.crown) + to_voxels @ corner
    codes = ndimage.affine_transform(head.codes, to_voxels, offset, patch, order=0, mode="nearest")
    sparse = head.codes[::_SAMPLED, ::_SAMPLED, ::_SAMPLED]
    nodes = np.argwhere(sparse & INSIDE) * _SAMPLED
    z, y, x = (linear @ ((nodes - np.array(head.crown)) * head.spacing_mm).T).astype(np.float32)
    return _Seen(codes, corner, sparse[(sparse & INSIDE) > 0] & np.uint8(LABEL), (z, y, x))


def _corner(rng: np.random.Generator, length: int, box: tuple[float, float]) -> float:
    low, high = box
    if high - length <= low:
        if box is _BOX_MM[0]:
            return high - length  # the crown is always at the upper end
        return (low + high - length) / 2 + rng.uniform(-_JITTER_MM, _JITTER_MM)
    return rng.uniform(low, high - length)


def _mr(scanner: Scanner, seen: _Seen, texture: Float32Array, seed: int) -> Float32Array:
    """Scan a patch, on the scale that the whole head in this scan has."""
    brightness = scanner.brightness(seen.sample, seen.sample_at)
    scale = scale_of(brightness[scanner.view.covers(seen.sample_at)])
    return normalised(scanner.image(seen.codes & np.uint8(LABEL), texture, seen.at(), seed), scale)


def _ct(rng: np.random.Generator, head: CtHead, codes: NDArray[np.uint8]) -> Float32Array:
    means, spreads = hounsfield(head.seed)
    tissue = codes & LABEL
    voxels = spreads[tissue]
    voxels *= ct_texture(rng, codes.shape, 1.0)
    voxels += means[tissue]
    return np.asarray(ndimage.gaussian_filter(voxels, _CT_SIGMA_MM, truncate=2.5), np.float32)
