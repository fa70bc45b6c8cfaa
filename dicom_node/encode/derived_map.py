"""Derived map: one multi-frame Parametric Map of how unsure a synthetic CT is, on its axial slices (PS3.3 A.75)."""

from __future__ import annotations

import numpy as np
from highdicom.pm import RealWorldValueMapping
from highdicom.sr import CodeContentItem, CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.tag import Tag
from pydicom.uid import ParametricMapStorage

from dicom_node.domain.provenance import Provenance
from dicom_node.domain.stack import Frame, Stack
from dicom_node.encode.acquisition import add_acquisition
from dicom_node.encode.axial import axial_of, crossed, describe_resampling, plane
from dicom_node.encode.derivation import add_derivation, references
from dicom_node.encode.series import EncodedSeries, finish, new_image
from dicom_node.encode.uids import organization_uid, plane_uid
from dicom_node.encode.verbatim import read_common
from inference.ct.disagreement import CHANGES
from inference.volume import Volume

IMAGE_TYPE = ["DERIVED", "PRIMARY", "VOLUME", "STD_DEVIATION"]
"""Enumerated by PS3.3 C.8.32.2: the first two; the others are terms of C.8.16.1.3 and C.8.16.1.4."""

TYPE_1 = {"LossyImageCompression": "00", "RecognizableVisualFeatures": "YES"}
"""What must have a value (PS3.3 C.8.32.2) where the source says nothing: the map ends where the face does."""

WINDOW_HU = (100.0, 200.0)
"""Centre and width, the same for every patient: black where all answers agree, white from 200 HU on."""

LABEL = "SD HU"
EXPLANATION = "Disagreement of the network with itself; no calibrated error"
"""At most 16 and 64 characters: what a viewer shows beside a value."""

MEANING = (
    f"value = standard deviation in HU of {len(CHANGES)} answers of the network to a source that was mirrored, shifted "
    "and changed a little in its intensities: its disagreement with itself, not a calibrated error; 0 outside the body"
)


def encode(stack: Stack, volume: Volume, *, provenance: Provenance) -> EncodedSeries:
    """Make a Parametric Map of the uncertainty of a synthetic CT of `stack`.

    It is built of highdicom's content items and not by its `ParametricMap`, which decodes the patient's name, takes
    more from a source than the whitelist has, and gives a new UID to the dimensions each time.

    Parameters
    ----------
    stack
        The source; the file of its first frame is read again, since only there is text still bytes.
    volume
        HU, on the grid of the source: slice k lies where frame k lies. It goes to the slices of `derived_ct.encode`.

    Raises
    ------
    ValueError
        When there is not one slice a frame, or a voxel is not finite.
    OSError
        When the first frame's file is gone.
    """
    if len(stack.frames) != len(volume.voxels):
        raise ValueError(f"{len(volume.voxels)} slices are not those of {len(stack.frames)} images")
    if not np.isfinite(volume.voxels).all():
        raise ValueError("a voxel is not a finite number")
    axial, kept = axial_of(volume, outside=0.0)
    source = read_common(stack.frames[0].path)
    image = new_image(source)
    add_acquisition(image, stack.frames[0])
    finish(image, source, provenance, sop_class_uid=ParametricMapStorage, uid=plane_uid(provenance.series_uid, 1))
    words = MEANING if kept else f"{describe_resampling(axial)}; {MEANING}"
    add_derivation(image, provenance, references(stack.frames, preserved=kept), pixels=words, resampled=not kept)
    _add_identity(image)
    _add_referenced_series(image, stack.frames)
    _add_dimension(image, organization_uid(provenance.series_uid))
    _add_functional_groups(image, stack, volume, axial, kept=kept)
    _add_pixels(image, axial)
    return EncodedSeries((image,), 0)


def _add_identity(image: Dataset) -> None:
    """Add the modules Parametric Map Series and Image (PS3.3 C.8.32.1, C.8.32.2), with the content's identification."""
    image.Modality = "OT"
    image.ImageType = IMAGE_TYPE
    image.InstanceNumber = 1
    image.ContentLabel = "UNCERTAINTY"
    image.ContentDescription = EXPLANATION
    image.ContentCreatorName = None
    image.PixelPresentation = "MONOCHROME"
    image.PresentationLUTShape = "IDENTITY"
    image.AcquisitionContextSequence = []
    for keyword, value in TYPE_1.items():
        if keyword not in image:
            setattr(image, keyword, value)


def _add_referenced_series(image: Dataset, frames: tuple[Frame, ...]) -> None:
    """Add the Common Instance Reference Module (PS3.3 C.12.2): the series that SourceImageSequence points into."""
    series = Dataset()
    series.SeriesInstanceUID = frames[0].header.SeriesInstanceUID
    series.ReferencedInstanceSequence = []
    for uid, frame in {frame.sop_instance_uid: frame for frame in frames}.items():
        instance = Dataset()
        instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = frame.sop_class_uid, uid
        series.ReferencedInstanceSequence.append(instance)
    image.ReferencedSeriesSequence = [series]


def _add_dimension(image: Dataset, uid: str) -> None:
    """Add the Multi-frame Dimension Module (PS3.3 C.7.6.17): frames are told apart by their place in the stack."""
    organization, index = Dataset(), Dataset()
    organization.DimensionOrganizationUID = index.DimensionOrganizationUID = uid
    index.DimensionIndexPointer = Tag("InStackPositionNumber")
    index.FunctionalGroupPointer = Tag("FrameContentSequence")
    index.DimensionDescriptionLabel = "In-stack position"
    image.DimensionOrganizationType = "3D"
    image.DimensionOrganizationSequence = [organization]
    image.DimensionIndexSequence = [index]


def _add_functional_groups(image: Dataset, stack: Stack, volume: Volume, axial: Volume, *, kept: bool) -> None:
    """Add the Multi-frame Functional Groups Module (PS3.3 C.7.6.16); sources stand once where all frames share them."""
    taken = [crossed(volume, axial, k) for k in range(len(axial.voxels))]
    derivations = {of: _derivation(image, stack.frames[of.start : of.stop], kept=kept) for of in set(taken)}
    shared = _shared(axial)
    if len(derivations) == 1:
        shared.DerivationImageSequence = [derivations[taken[0]]]
    frames = []
    for k, of in enumerate(taken):
        frame = _placed(axial, k)
        if len(derivations) > 1:
            frame.DerivationImageSequence = [derivations[of]]
        frames.append(frame)
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = frames
    image.NumberOfFrames = len(frames)


def _shared(axial: Volume) -> Dataset:
    of_plane = plane(axial, 0)
    measures, orientation, identity, window, kind = (Dataset() for _ in range(5))
    measures.PixelSpacing, measures.SliceThickness = of_plane.PixelSpacing, of_plane.SliceThickness
    measures.SpacingBetweenSlices = of_plane.SliceThickness
    orientation.ImageOrientationPatient = of_plane.ImageOrientationPatient
    identity.RescaleIntercept, identity.RescaleSlope, identity.RescaleType = 0, 1, "US"
    window.WindowCenter, window.WindowWidth = WINDOW_HU
    kind.FrameType = IMAGE_TYPE
    shared = Dataset()
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelValueTransformationSequence = [identity]
    shared.FrameVOILUTSequence = [window]
    shared.ParametricMapFrameTypeSequence = [kind]
    shared.RealWorldValueMappingSequence = [_mapping(axial)]
    return shared


def _mapping(axial: Volume) -> Dataset:
    """Return what values mean (PS3.3 C.7.6.16.2.11): a standard deviation of HU, stored as it is."""
    largest = float(axial.voxels.max())
    mapping: Dataset = RealWorldValueMapping(
        lut_label=LABEL,
        lut_explanation=EXPLANATION,
        unit=codes.UCUM.HounsfieldUnit,
        value_range=(0.0, largest),
        quantity_definition=codes.DCM.AttenuationCoefficient,  # of CID 7180, as which HU are coded
    )
    name, deviation = (CodedConcept.from_code(code) for code in (codes.DCM.Derivation, codes.SCT.StandardDeviation))
    mapping.QuantityDefinitionSequence.append(CodeContentItem(name=name, value=deviation))  # CID 9000, CID 7464
    return mapping


def _derivation(image: Dataset, frames: tuple[Frame, ...], *, kept: bool) -> Dataset:
    """Return the Derivation Image Macro (PS3.3 C.7.6.16.2.6)."""
    sources = references(frames, preserved=kept)
    derivation = Dataset()
    derivation.DerivationCodeSequence = image.DerivationCodeSequence
    derivation[sources.tag] = sources
    return derivation


def _placed(axial: Volume, k: int) -> Dataset:
    content, position, frame = Dataset(), Dataset(), Dataset()
    content.StackID = "1"
    content.InStackPositionNumber = content.DimensionIndexValues = k + 1
    position.ImagePositionPatient = plane(axial, k).ImagePositionPatient
    frame.FrameContentSequence = [content]
    frame.PlanePositionSequence = [position]
    return frame


def _add_pixels(image: Dataset, axial: Volume) -> None:
    """Add the Floating Point Image Pixel Module (PS3.3 C.7.6.24)."""
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    _, image.Rows, image.Columns = axial.voxels.shape
    image.BitsAllocated = 32
    image.add_new("FloatPixelData", "OF", axial.voxels.astype("<f4").tobytes())
