"""How near a synthetic CT is to the true one: the image measures of the SynthRAD challenges, and errors by tissue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from inference.ct.hounsfield import RANGE_HU
from inference.volume import BoolArray, Float32Array, Float64Array
from training.simulate.space import LabelArray
from training.simulate.tissues import Tissue

BONE_HU = 250.0
AIR_HU = -400.0
"""Bone is at or above the first, air at or below the second. Ours: the challenges segment organs in place of it."""

WIDER_MM = 10.0
"""How far beyond the skin the masks of the 2023 challenge reach, about: they are dilated by ten voxels of 1 mm."""

TISSUES: Mapping[str, tuple[Tissue, ...]] = {
    "air": (Tissue.AIR,),
    "fat": (Tissue.FAT,),
    "soft": (Tissue.SKIN, Tissue.MUSCLE, Tissue.MUCOSA, Tissue.BLOOD, Tissue.VITREOUS, Tissue.LENS),
    "brain": (
        Tissue.CSF, Tissue.GREY_MATTER, Tissue.WHITE_MATTER, Tissue.STRIATUM, Tissue.PALLIDUM, Tissue.THALAMUS,
        Tissue.CEREBELLAR_CORTEX, Tissue.BRAIN_STEM, Tissue.LESION,
    ),
    "marrow": (Tissue.MARROW,),
    "cortical": (Tissue.CORTICAL_BONE, Tissue.TOOTH),
}  # fmt: skip
"""Class -> tissues, least dense first."""

AnyScalar = TypeVar("AnyScalar", bound=np.generic)

_SPAN_HU = RANGE_HU[1] - RANGE_HU[0]
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW = 7
_EDGE = _WINDOW // 2
_SMALLEST = (_WINDOW - 1) * 2 ** (len(_SCALE_WEIGHTS) - 1) + 1
"""Voxels along an axis that leave a whole window at the coarsest scale: 97."""


def similarity(result: Float32Array, truth: Float32Array, mask: BoolArray) -> dict[str, float]:
    """Measure a synthetic CT as the SynthRAD challenges do.

    Parameters
    ----------
    result, truth
        Shape (slices, rows, columns), HU.
    mask
        Same shape: the head.

    Returns
    -------
    ``mae_hu``
        Mean absolute error in the mask, HU, unclipped.
    ``psnr``
        dB, in the mask, both clipped to `RANGE_HU`; the range is 4024 HU.
    ``ms_ssim``
        See `multi_scale_similarity`.

    References
    ----------
    Thummerer et al. 2023, arXiv:2303.16320; the challenges' code, ``image_metrics.py`` of SynthRAD2023/metrics and
    SynthRAD2025/evaluation. The latter's newest version ends the range at 3071 HU.
    """
    ours, wanted = (np.clip(each, *RANGE_HU)[mask].astype(np.float64) for each in (result, truth))
    return {
        "mae_hu": mean_absolute_hu(result, truth, mask),
        "psnr": float(peak_signal_noise_ratio(wanted, ours, data_range=_SPAN_HU)) if (ours != wanted).any() else np.inf,
        "ms_ssim": multi_scale_similarity(result, truth, mask),
    }


def mean_absolute_hu(result: Float32Array, truth: Float32Array, mask: BoolArray) -> float:
    """Return the mean absolute difference in a mask, HU, nothing clipped."""
    return float(np.abs(result[mask].astype(np.float64) - truth[mask]).mean())


def multi_scale_similarity(result: Float32Array, truth: Float32Array, mask: BoolArray) -> float:
    """Return the masked multi-scale structural similarity of SynthRAD2025.

    Clipped to `RANGE_HU`, the lowest value outside of the mask, and counted from there; at five
    scales, each half as fine as the last, the structural similarity in windows of 7 x 7 x 7 voxels, to the power of the
    scale's weight (Wang et al. 2003, Asilomar 37:1398), is averaged over the mask; the score is the product. Scans with
    fewer than 97 voxels along an axis go on with their edge. Negative similarity counts as 0.

    Parameters
    ----------
    result, truth, mask
        As in `similarity`. A scale at which no voxel of the mask is left counts as 1.
    """
    images = [np.where(mask, np.clip(each, *RANGE_HU), RANGE_HU[0]) - RANGE_HU[0] for each in (result, truth)]
    ours, wanted = (_padded(each.astype(np.float64)) for each in images)
    inside, score = _padded(mask), 1.0
    for weight in _SCALE_WEIGHTS:
        _, found = structural_similarity(wanted, ours, win_size=_WINDOW, data_range=_SPAN_HU, full=True)
        core = (slice(_EDGE, -_EDGE),) * 3
        values = found[core][inside[core]]
        score *= float((np.clip(values, 0, 1) ** weight).mean()) if values.size else 1.0
        ours, wanted, inside = _halved(ours), _halved(wanted), inside[::2, ::2, ::2]
    return score


def overlap(result: Float32Array, truth: Float32Array, mask: BoolArray) -> dict[str, float]:
    """Return ``bone_dice`` and ``air_dice`` in the mask: of what both images show there as bone, and as air."""
    ours, wanted = result[mask], truth[mask]
    return {
        "bone_dice": dice(ours >= BONE_HU, wanted >= BONE_HU),
        "air_dice": dice(ours <= AIR_HU, wanted <= AIR_HU),
    }


def dice(a: BoolArray, b: BoolArray) -> float:
    """Return twice the common part over the sum of both; 1 where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def errors_by_tissue(
    result: Float32Array, truth: Float32Array, labels: LabelArray, mask: BoolArray
) -> dict[str, float]:
    """Return ``mae_<class>_hu`` and ``bias_<class>_hu`` of every class of `TISSUES` that lies in the mask.

    Parameters
    ----------
    result, truth, mask
        As in `similarity`.
    labels
        Same shape: `Tissue` at the centre of each voxel. Voxels that tissues share count for that one.
    """
    found: dict[str, float] = {}
    difference = result.astype(np.float64) - truth
    for name, tissues in TISSUES.items():
        chosen = np.isin(labels, tissues) & mask
        if chosen.any():
            found[f"mae_{name}_hu"] = float(np.abs(difference[chosen]).mean())
            found[f"bias_{name}_hu"] = float(difference[chosen].mean())
    return found


def wider(mask: BoolArray, spacing_mm: tuple[float, float, float]) -> BoolArray:
    """Return a mask with all that lies within `WIDER_MM` of it; spacing along (slices, rows, columns)."""
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= WIDER_MM)


def _padded(image: NDArray[AnyScalar]) -> NDArray[AnyScalar]:
    missing = [max(_SMALLEST - length, 0) for length in image.shape]
    return np.pad(image, [(each // 2, each - each // 2) for each in missing], mode="edge")


def _halved(image: Float64Array) -> Float64Array:
    return np.asarray(ndimage.uniform_filter(image, 2, mode="nearest")[::2, ::2, ::2])
