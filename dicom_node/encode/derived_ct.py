"""Derived CT: one CT image an axial slice, as planning systems load it (PS3.3 A.3, derived-series.md)."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.uid import CTImageStorage
from pydicom.valuerep import format_number_as_ds

from dicom_node.domain.provenance import USUAL_CT_SCALE, CtScale, Provenance
from dicom_node.domain.stack import Frame, Stack
from dicom_node.encode.acquisition import add_acquisition
from dicom_node.encode.axial import axial_of, crossed, describe_resampling, plane
from dicom_node.encode.derivation import add_derivation, references
from dicom_node.encode.pixels import describe_hu_pixels, to_stored_hu
from dicom_node.encode.series import EncodedSeries, finish, new_image
from dicom_node.encode.uids import plane_uid
from dicom_node.encode.verbatim import read_common, text
from inference.ct.hounsfield import OUTSIDE_HU
from inference.volume import Volume


def encode(stack: Stack, volume: Volume, *, provenance: Provenance, scale: CtScale = USUAL_CT_SCALE) -> EncodedSeries:
    """Make a CT series of a synthetic CT of `stack`.

    Axial slices of one orientation and one spacing, from the feet to the head: a volume that has them keeps its grid,
    another is resampled.

    Parameters
    ----------
    stack
        The source; the file of its first frame is read again, since only there is text still bytes.
    volume
        HU, on the grid of the source: slice k lies where frame k lies.
    scale
        From HU to stored integers.

    Raises
    ------
    ValueError
        When there is not one slice a frame, or a voxel is not finite.
    OSError
        When the first frame's file is gone.
    """
    if len(stack.frames) != len(volume.voxels):
        raise ValueError(f"{len(volume.voxels)} slices are not those of {len(stack.frames)} images")
    axial, kept = axial_of(volume, outside=OUTSIDE_HU)
    stored, clipped = to_stored_hu(axial.voxels, scale)
    source = read_common(stack.frames[0].path)
    sources: dict[range, RawDataElement] = {}
    words = _words(axial, scale, resampled=not kept)
    images = []
    for k, pixels in enumerate(stored):
        taken = crossed(volume, axial, k)
        if taken not in sources:
            sources[taken] = references(stack.frames[taken.start : taken.stop], preserved=kept)
        image = _image(source, stack.frames[0], provenance, number=k + 1)
        image.KVP = None if scale.kvp is None else format_number_as_ds(scale.kvp)  # type 2: there was no tube
        image.update(plane(axial, k))
        add_derivation(image, provenance, sources[taken], pixels=words, resampled=not kept)
        describe_hu_pixels(image, pixels, scale)
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
    if not text(image, "AcquisitionNumber"):
        image.AcquisitionNumber = 1  # may be empty (type 2), but systems sort by it
    return image


def _words(axial: Volume, scale: CtScale, *, resampled: bool) -> str:
    stored = f"stored value = HU - ({scale.intercept_hu})"
    return f"{describe_resampling(axial)}; {stored}" if resampled else stored
