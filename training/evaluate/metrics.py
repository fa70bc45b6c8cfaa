"""How near a result is to the truth, and what it did to the air."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from inference.volume import BoolArray, Float32Array

RANGE_PERCENTILE = 99.9
"""Percentile of the truth in the head that counts as its range."""

_AIR_BEGINS_VOXELS = 3
"""How far from the head the air begins: partial volume and the point spread stay out of it."""

_SSIM_SIGMA = 1.5
_SSIM_REACH = 6


def data_range(truth: Float32Array, mask: BoolArray) -> float:
    """Return the range of a truth, from 0 to its 99.9th percentile in the head."""
    return float(np.percentile(truth[mask], RANGE_PERCENTILE))


def distance(result: Float32Array, truth: Float32Array, mask: BoolArray) -> dict[str, float]:
    """Measure how near a result is to the truth.

    Parameters
    ----------
    result, truth
        Shape (slices, rows, columns).
    mask
        Same shape: the head. Nothing else counts.

    Returns
    -------
    ``psnr``
        dB, as it is.
    ``psnr_fitted``
        dB, after the least-squares fit of a * result + b: what is left when scale and offset are forgiven.
    ``ssim``
        Structural similarity (Wang et al. 2004, IEEE Trans Image Process 13:600), Gaussian window of 1.5 voxels in
        three dimensions, mean of its map over the head.
    ``mae_percent``
        Mean absolute difference, in percent of the range.
    """
    box = _around(mask)
    result, truth, mask = result[box], truth[box], mask[box]
    span = data_range(truth, mask)
    ours, wanted = result[mask].astype(np.float64), truth[mask].astype(np.float64)
    _, similarity = structural_similarity(
        truth, result, data_range=span, gaussian_weights=True, sigma=_SSIM_SIGMA, use_sample_covariance=False, full=True
    )
    return {
        "psnr": float(peak_signal_noise_ratio(wanted, ours, data_range=span)),
        "psnr_fitted": float(peak_signal_noise_ratio(wanted, _fitted(ours, wanted), data_range=span)),
        "ssim": float(similarity[mask].mean()),
        "mae_percent": float(np.abs(ours - wanted).mean() / span * 100),
    }


def background_rise(result: Float32Array, source: Float32Array, mask: BoolArray) -> Mapping[str, float]:
    """Measure how much brighter the air became, in percent of the head's median; below 0: darker.

    Parameters
    ----------
    result, source
        Shape (slices, rows, columns), each in its own unit: each is taken against its own median in the head.
    mask
        Same shape: the head. Three voxels around it do not count as air.
    """
    air = ~ndimage.binary_dilation(mask, iterations=_AIR_BEGINS_VOXELS)
    if not air.any():
        return {}
    after, before = (float(each[air].mean()) / float(np.median(each[mask])) for each in (result, source))
    return {"background_rise_percent": 100 * (after - before)}


def _fitted(ours: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    spread = ours.var()
    slope = ((ours - ours.mean()) * (wanted - wanted.mean())).mean() / spread if spread > 0 else 0.0
    return np.asarray(slope * (ours - ours.mean()) + wanted.mean())


def _around(mask: BoolArray) -> tuple[slice, ...]:
    """Return the box of the mask with room for the window of the similarity."""
    box = ndimage.find_objects(mask.astype(np.int8))[0]
    return tuple(
        slice(max(side.start - _SSIM_REACH, 0), min(side.stop + _SSIM_REACH, length))
        for side, length in zip(box, mask.shape, strict=True)
    )
