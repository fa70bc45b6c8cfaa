"""The voxels of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from highdicom.image import get_volume_from_series
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.assemble.elements import UNREADABLE, unquoted
from dicom_node.assemble.frames import CLASSIC
from dicom_node.assemble.gate import refusal
from dicom_node.assemble.geometry import ORIENTATION_TOLERANCE, SPACING_TOLERANCE
from dicom_node.domain.stack import Frame, Stack
from dicom_node.errors import SeriesRefused
from inference.volume import Volume

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
            volume = get_volume_from_series(
                _classic_images(stack.frames),
                dtype=np.float32,
                apply_real_world_transform=False,
                apply_presentation_lut=False,
                rtol=SPACING_TOLERANCE,
                orientation_tol=ORIENTATION_TOLERANCE,
            )
        except (*UNREADABLE, RuntimeError) as error:
            raise SeriesRefused(f"the pixel data cannot be decoded ({type(error).__name__})") from error
    unit = HOUNSFIELD if stack.facts.header.get("Modality") == "CT" else "1"
    return Volume(np.ascontiguousarray(volume.array, dtype=np.float32), np.array(volume.affine, dtype=np.float64), unit)


def _classic_images(frames: Sequence[Frame]) -> list[Dataset]:
    """Make a single-frame image of each frame, its pixels decoded."""
    decoded: dict[Path, NDArray[np.generic]] = {}
    wanted = {frame.path for frame in frames}
    for path in wanted:
        pixels = pixel_array(path)
        decoded[path] = pixels if pixels.ndim == 3 else pixels[np.newaxis]
    images = [_classic_image(frame, decoded[frame.path][(frame.frame_number or 1) - 1]) for frame in frames]
    for image in images:
        image.PixelSpacing = images[0].PixelSpacing  # equal within rounding: highdicom compares digit by digit
    return images


def _classic_image(frame: Frame, pixels: NDArray[np.generic]) -> Dataset:
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
