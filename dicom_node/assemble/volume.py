"""The voxels of a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from highdicom.image import get_volume_from_series
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.assemble.elements import UNREADABLE, unquoted, value_of
from dicom_node.assemble.frames import CLASSIC
from dicom_node.assemble.gate import refusal
from dicom_node.assemble.geometry import ORIENTATION_TOLERANCE, SPACING_TOLERANCE
from dicom_node.domain.stack import Frame, Stack
from dicom_node.errors import SeriesRefused
from inference.volume import BoolArray, Float32Array, Volume

Pixels: TypeAlias = NDArray[Any]
"""Stored values as they were decoded: integers of 8, 16 or 32 bits."""

_IMAGE_ATTRIBUTES = (
    "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SamplesPerPixel",
    "PhotometricInterpretation", "Rows", "Columns", "BitsStored", "HighBit", "PixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence",
)  # fmt: skip
"""What highdicom asks of an image to place and scale it."""

HOUNSFIELD = "[hnsf'U]"


def read_volume(stack: Stack) -> Volume:
    """Decode a stack: float32, LPS mm, slice k of the volume is frame k of the stack.

    The modality transform (rescale slope and intercept, each slice its own) is applied; a real-world value map is not,
    so that Philips values are P = stored * slope + intercept, as a viewer shows them. Each file is decoded once.

    Raises
    ------
    SeriesRefused
        When `gate.refusal` has a reason, or the pixel data cannot be decoded.
    """
    reason = refusal(stack)
    if reason is not None:
        raise SeriesRefused(reason)
    with unquoted():
        try:
            pixels = _decoded(stack.frames)
            padded = {k: where for k, where in enumerate(map(_padding, stack.frames, pixels)) if where.any()}
            volume = get_volume_from_series(
                _classic_images(stack.frames, pixels),
                dtype=np.float32,
                apply_real_world_transform=False,
                apply_presentation_lut=False,
                rtol=SPACING_TOLERANCE,
                orientation_tol=ORIENTATION_TOLERANCE,
            )
        except (*UNREADABLE, RuntimeError) as error:
            raise SeriesRefused(f"the pixel data cannot be decoded ({type(error).__name__})") from error
    voxels = np.ascontiguousarray(volume.array, dtype=np.float32)
    _fill_padding(voxels, padded)
    unit = HOUNSFIELD if stack.facts.header.get("Modality") == "CT" else "1"
    return Volume(voxels, np.array(volume.affine, dtype=np.float64), unit)


def _decoded(frames: Sequence[Frame]) -> list[Pixels]:
    """Return the stored values of each frame; each file is decoded once.

    Raises
    ------
    SeriesRefused
        When a value needs more bits than are stored: it is not of the image (PS3.5 8.1.1), and some decoders keep it.
    """
    files: dict[Path, Pixels] = {}
    for frame in frames:
        if frame.path not in files:
            pixels = pixel_array(frame.path)
            bits = int(frame.header.BitsStored)
            if pixels.max() >= 1 << (bits - (pixels.dtype.kind == "i")):
                raise SeriesRefused(f"its pixel data holds values beyond its {bits} bits")
            files[frame.path] = pixels if pixels.ndim == 3 else pixels[np.newaxis]
    return [files[frame.path][(frame.frame_number or 1) - 1] for frame in frames]


def _padding(frame: Frame, pixels: Pixels) -> BoolArray:
    """Return which pixels only fill the matrix: PixelPaddingValue and its range (PS3.3 C.7.5.1.1.2).

    Either is read in the pixels' own sign: scanners write both with the other.
    """
    first, last = (value_of(frame.header, f"PixelPadding{end}") for end in ("Value", "RangeLimit"))
    if not isinstance(first, int):
        return np.zeros(pixels.shape, bool)
    bits = pixels.dtype.itemsize * 8
    ends = [int(end) % (1 << bits) for end in (first, last if isinstance(last, int) else first)]
    low, high = np.sort(np.array(ends, f"u{bits // 8}").view(f"{pixels.dtype.kind}{bits // 8}"))
    return np.asarray((pixels >= low) & (pixels <= high))


def _fill_padding(voxels: Float32Array, padded: Mapping[int, BoolArray]) -> None:
    """Make padding air, in place: no brighter than anything that was imaged, nor far below zero."""
    if not padded:
        return
    imaged = np.ones(voxels.shape, bool)
    for k, where in padded.items():
        imaged[k] = ~where
    lowest = np.min(voxels, where=imaged, initial=np.inf)
    for k, where in padded.items():
        voxels[k][where] = np.minimum(np.maximum(voxels[k][where], 0), lowest)


def _classic_images(frames: Sequence[Frame], pixels: Sequence[Pixels]) -> list[Dataset]:
    """Make a single-frame image of each frame."""
    images = [_classic_image(frame, plane) for frame, plane in zip(frames, pixels, strict=True)]
    for image in images:
        image.PixelSpacing = images[0].PixelSpacing  # equal within rounding: highdicom compares digit by digit
    return images


def _classic_image(frame: Frame, pixels: Pixels) -> Dataset:
    image = Dataset()
    for keyword in _IMAGE_ATTRIBUTES:
        if keyword in frame.header:
            image[keyword] = frame.header[keyword]
    image.SOPClassUID = CLASSIC[UID(frame.sop_class_uid)]
    image.BitsAllocated = pixels.dtype.itemsize * 8
    image.PixelRepresentation = 1 if pixels.dtype.kind == "i" else 0
    encoded = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    image.PixelData = encoded + b"\0" * (len(encoded) % 2)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image
