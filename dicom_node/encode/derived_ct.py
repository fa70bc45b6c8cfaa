"""Derived CT: one CT image an axial slice, as planning systems load it (PS3.3 A.3, derived-series.md)."""

from __future__ import annotations

import itertools

import numpy as np
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.uid import CTImageStorage
from pydicom.valuerep import format_number_as_ds

from dicom_node.domain.provenance import Provenance
from dicom_node.domain.stack import Frame, Stack
from dicom_node.encode.acquisition import add_acquisition
from dicom_node.encode.axial import head_up, is_axial, resampled
from dicom_node.encode.derivation import add_derivation, references
from dicom_node.encode.pixels import CT_INTERCEPT_HU, describe_hu_pixels, to_stored_hu
from dicom_node.encode.series import EncodedSeries, finish, new_image
from dicom_node.encode.uids import plane_uid
from dicom_node.encode.verbatim import read_common, text
from inference.ct.hounsfield import OUTSIDE_HU
from inference.volume import Float64Array, Volume

_NEAR = 1e-3
"""A plane that is this near to a source slice, in slices, takes from no other."""


def encode(stack: Stack, volume: Volume, *, provenance: Provenance) -> EncodedSeries:
    """Make a CT series of a synthetic CT of `stack`.

    Axial slices of one orientation and one spacing, from the feet to the head: a volume that has them keeps its grid,
    another is resampled.

    Parameters
    ----------
    stack
        The source; the file of its first frame is read again, since only there is text still bytes.
    volume
        HU, on the grid of the source: slice k lies where frame k lies.

    Raises
    ------
    ValueError
        When there is not one slice a frame, or a voxel is not finite.
    OSError
        When the first frame's file is gone.
    """
    if len(stack.frames) != len(volume.voxels):
        raise ValueError(f"{len(volume.voxels)} slices are not those of {len(stack.frames)} images")
    upright = head_up(volume)
    kept = is_axial(upright)
    axial = upright if kept else resampled(volume, outside=OUTSIDE_HU)
    stored, clipped = to_stored_hu(axial.voxels)
    source = read_common(stack.frames[0].path)
    sources: dict[range, RawDataElement] = {}
    words = _words(axial, resampled=not kept)
    images = []
    for k, plane in enumerate(stored):
        taken = _taken(volume, axial, k)
        if taken not in sources:
            sources[taken] = references(stack.frames[taken.start : taken.stop], preserved=kept)
        image = _image(source, stack.frames[0], provenance, number=k + 1)
        _add_plane(image, axial, k)
        add_derivation(image, provenance, sources[taken], pixels=words, resampled=not kept)
        describe_hu_pixels(image, plane)
        images.append(image)
    return EncodedSeries(tuple(images), clipped)


def _image(source: Dataset, frame: Frame, provenance: Provenance, *, number: int) -> Dataset:
    image = new_image(source)
    add_acquisition(image, frame)
    uid = plane_uid(provenance.series_uid, number)
    finish(image, source, provenance, sop_class_uid=CTImageStorage, uid=uid)
    image.Modality = "CT"
    image.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    image.InstanceNumber = number
    image.KVP = None  # type 2: there was no tube
    if not text(image, "AcquisitionNumber"):
        image.AcquisitionNumber = 1  # may be empty (type 2), but systems sort by it
    return image


def _add_plane(image: Dataset, axial: Volume, k: int) -> None:
    """Add the Image Plane Module (PS3.3 C.7.6.2) of slice k."""
    slice_mm, row_mm, column_mm = axial.spacing_mm
    directions = axial.affine[:3, :3] / np.array(axial.spacing_mm)
    image.ImageOrientationPatient = _decimals(np.concatenate((directions[:, 2], directions[:, 1])))
    image.ImagePositionPatient = _decimals(axial.affine[:3, 3] + k * axial.affine[:3, 0])
    image.PixelSpacing = _decimals(np.array([row_mm, column_mm]))
    image.SliceThickness = _decimals(np.array([slice_mm]))[0]


def _decimals(values: Float64Array) -> list[str]:
    return [format_number_as_ds(float(value)) for value in np.round(values, 6) + 0.0]  # no minus zero


def _words(axial: Volume, *, resampled: bool) -> str:
    scale = f"stored value = HU - ({CT_INTERCEPT_HU})"
    if not resampled:
        return scale
    slice_mm, _, pixel_mm = axial.spacing_mm
    return f"resampled to axial slices of {slice_mm:.4g} mm, pixels of {pixel_mm:.4g} mm, linear interpolation; {scale}"


def _taken(source: Volume, axial: Volume, k: int) -> range:
    """Return which slices of the source an axial plane is interpolated from."""
    _, rows, columns = axial.voxels.shape
    corners = np.array([[k, row, column, 1.0] for row, column in itertools.product((0, rows - 1), (0, columns - 1))])
    slices = (np.linalg.inv(source.affine) @ axial.affine @ corners.T)[0]
    last = len(source.voxels) - 1
    first, end = np.clip([np.floor(slices.min() + _NEAR), np.ceil(slices.max() - _NEAR)], 0, last).astype(int)
    return range(int(first), int(end) + 1)
