"""Stored pixels: model values as unsigned integers, on a scale that is the same for every patient."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.valuerep import format_number_as_ds

from dicom_node.domain.provenance import CtScale, StoredScale
from inference.volume import Float32Array, Float64Array

UInt16Array: TypeAlias = NDArray[np.uint16]

BITS_STORED = 12
LARGEST = 2**BITS_STORED - 1
"""Of MR."""

CT_BITS_STORED = 16
CT_WINDOW_HU = (40.0, 400.0)
"""Of CT: centre and width of the window in which soft tissue is usually read."""


def to_stored(voxels: Float32Array, scale: StoredScale) -> tuple[UInt16Array, int]:
    """Return stored values and the number of voxels that did not fit.

    Parameters
    ----------
    voxels
        Shape (slices, rows, columns), in the model's unit.

    Returns
    -------
    Same shape, 0...4095, halves rounded to even; and how many voxels were clipped to that range.

    Raises
    ------
    ValueError
        When a voxel is not a finite number.
    """
    return _fitted(voxels * np.float64(scale.values_per_unit), LARGEST)


def to_stored_hu(voxels: Float32Array, scale: CtScale) -> tuple[UInt16Array, int]:
    """Return the stored values of HU, and the number of voxels that did not fit; see `to_stored`."""
    return _fitted(voxels.astype(np.float64) - scale.intercept_hu, 2**CT_BITS_STORED - 1)


def describe_scale(scale: StoredScale) -> str:
    """Return what stored values of an MR mean, as a clause of DerivationDescription."""
    return f"stored value = model value * {scale.values_per_unit:.10g}, clipped to 0...{LARGEST}"


def describe_pixels(image: Dataset, stored: UInt16Array, scale: StoredScale) -> None:
    """Add the Image Pixel Module and the window (PS3.3 C.7.6.3, C.11.2) of an MR image.

    There is no rescale: the MR Image IOD has no Modality LUT (PS3.3 A.4.3), so stored values are what viewers window.

    Parameters
    ----------
    stored
        Shape (rows, columns).
    """
    _add_pixels(image, stored, bits=BITS_STORED)
    _add_window(image, scale.window_center, scale.window_width)


def describe_hu_pixels(image: Dataset, stored: UInt16Array, scale: CtScale) -> None:
    """Add the Image Pixel Module, rescale and window (PS3.3 C.7.6.3, C.8.2.1, C.11.2) of a CT image.

    Parameters
    ----------
    stored
        Shape (rows, columns).
    """
    _add_pixels(image, stored, bits=CT_BITS_STORED)
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = scale.intercept_hu, 1, "HU"
    _add_window(image, *CT_WINDOW_HU)


def _fitted(values: Float64Array, largest: int) -> tuple[UInt16Array, int]:
    stored = np.rint(values)
    if not np.isfinite(stored).all():
        raise ValueError("a voxel is not a finite number")
    clipped = np.count_nonzero((stored < 0) | (stored > largest))
    return np.clip(stored, 0, largest).astype("<u2"), int(clipped)


def _add_pixels(image: Dataset, stored: UInt16Array, *, bits: int) -> None:
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = stored.shape
    image.BitsAllocated = 16
    image.BitsStored = bits
    image.HighBit = bits - 1
    image.PixelRepresentation = 0
    image.add_new("PixelData", "OW", stored.tobytes())


def _add_window(image: Dataset, center: float, width: float) -> None:
    image.WindowCenter = format_number_as_ds(float(center))
    image.WindowWidth = format_number_as_ds(float(width))
