"""Stored pixels: model values as 12-bit integers, on a scale that is the same for every patient of a target."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.valuerep import format_number_as_ds

from dicom_node.domain.provenance import StoredScale
from inference.volume import Float32Array

UInt16Array: TypeAlias = NDArray[np.uint16]

BITS_STORED = 12
LARGEST = 2**BITS_STORED - 1


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
    stored = np.rint(voxels * np.float64(scale.values_per_unit))
    if not np.isfinite(stored).all():
        raise ValueError("a voxel is not a finite number")
    clipped = np.count_nonzero((stored < 0) | (stored > LARGEST))
    return np.clip(stored, 0, LARGEST).astype("<u2"), int(clipped)


def describe_pixels(image: Dataset, stored: UInt16Array, scale: StoredScale) -> None:
    """Add the Image Pixel Module and the window (PS3.3 C.7.6.3, C.11.2).

    There is no rescale: the MR Image IOD has no Modality LUT (PS3.3 A.4.3), so stored values are what viewers window.

    Parameters
    ----------
    stored
        Shape (rows, columns).
    """
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = stored.shape
    image.BitsAllocated = 16
    image.BitsStored = BITS_STORED
    image.HighBit = BITS_STORED - 1
    image.PixelRepresentation = 0
    image.WindowCenter = format_number_as_ds(float(scale.window_center))
    image.WindowWidth = format_number_as_ds(float(scale.window_width))
    image.add_new("PixelData", "OW", stored.tobytes())
