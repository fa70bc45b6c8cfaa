"""Derived MR: one classic MR image a slice, on the grid of its source (PS3.3 A.4, derived-series.md)."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.uid import MRImageStorage

from dicom_node.domain.provenance import Provenance, StoredScale
from dicom_node.domain.stack import Frame, Stack
from dicom_node.encode.acquisition import add_mr_acquisition
from dicom_node.encode.derivation import add_derivation, references
from dicom_node.encode.pixels import describe_pixels, describe_scale, to_stored
from dicom_node.encode.series import EncodedSeries, finish, new_image
from dicom_node.encode.uids import instance_uid
from dicom_node.encode.verbatim import read_common, text
from inference.volume import Float32Array


def encode(stack: Stack, voxels: Float32Array, *, scale: StoredScale, provenance: Provenance) -> EncodedSeries:
    """Make a classic MR series of what a model made of `stack`.

    Parameters
    ----------
    stack
        The source; the file of its first frame is read again, since only there is text still bytes.
    voxels
        Shape (slices, rows, columns), in the model's unit; slice k lies where frame k lies.

    Raises
    ------
    ValueError
        When there is not one slice a frame, the slices have another size than the source's, or a voxel is not finite.
    OSError
        When the first frame's file is gone.
    """
    for frame, plane in zip(stack.frames, voxels, strict=True):
        if plane.shape != (frame.header.Rows, frame.header.Columns):
            raise ValueError(f"a slice of {plane.shape} does not fit an image of its source")
    stored, clipped = to_stored(voxels, scale)
    source = read_common(stack.frames[0].path)
    images = []
    for frame, number, plane in zip(stack.frames, _instance_numbers(stack), stored, strict=True):
        image = _image(source, frame, provenance)
        image.InstanceNumber = number
        add_derivation(image, provenance, references([frame], preserved=True), pixels=describe_scale(scale))
        describe_pixels(image, plane, scale)
        images.append(image)
    return EncodedSeries(tuple(images), clipped)


def _image(source: Dataset, frame: Frame, provenance: Provenance) -> Dataset:
    image = new_image(source)
    add_mr_acquisition(image, frame)
    uid = instance_uid(provenance.series_uid, frame)
    finish(image, source, provenance, sop_class_uid=MRImageStorage, uid=uid)
    image.Modality = "MR"
    image.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    return image


def _instance_numbers(stack: Stack) -> list[int]:
    """Return the numbers by which a viewer sorts both series alike.

    They are the source's (frame numbers of a multi-frame source); where these are missing or repeat, the slices are
    counted by their place.
    """
    numbers = [_source_number(frame) for frame in stack.frames]
    known = [number for number in numbers if number is not None]
    in_order = list(range(1, len(numbers) + 1))
    return known if len(set(known)) == len(numbers) else in_order


def _source_number(frame: Frame) -> int | None:
    if frame.frame_number is not None:
        return frame.frame_number
    value = text(frame.header, "InstanceNumber")
    return int(value) if value.lstrip(b"+-").isdigit() else None
