"""Enhanced multi-frame objects (PS3.3 C.7.6.16) as the classic images that they replace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.valuerep import DSfloat

from dicom_node.errors import SeriesRefused

Elements: TypeAlias = dict[BaseTag, DataElement | RawDataElement]

LIFTED = frozenset({
    "PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence", "PixelValueTransformationSequence",
    "FrameVOILUTSequence", "FrameContentSequence", "FrameAnatomySequence", "CardiacSynchronizationSequence",
    "TemporalPositionSequence", "ContrastBolusUsageSequence", "IrradiationEventIdentificationSequence",
    "MRImageFrameTypeSequence", "MRTimingAndRelatedParametersSequence", "MREchoSequence", "MRModifierSequence",
    "MRImagingModifierSequence", "MRFOVGeometrySequence", "MRAveragesSequence", "MRReceiveCoilSequence",
    "MRTransmitCoilSequence", "MRDiffusionSequence", "DiffusionGradientDirectionSequence",
    "CTImageFrameTypeSequence", "CTAcquisitionTypeSequence", "CTAcquisitionDetailsSequence", "CTTableDynamicsSequence",
    "CTPositionSequence", "CTGeometrySequence", "CTReconstructionSequence", "CTExposureSequence",
    "CTXRayDetailsSequence", "PETFrameTypeSequence", "PETReconstructionSequence", "PETPositionSequence",
})  # fmt: skip
"""Functional groups of one item whose attributes stand at the top of a classic image."""

RENAMED: tuple[tuple[str, str], ...] = (
    ("FrameType", "ImageType"),
    ("EffectiveEchoTime", "EchoTime"),
    ("InversionTimes", "InversionTime"),
    ("NominalCardiacTriggerDelayTime", "TriggerTime"),
    ("TemporalPositionIndex", "TemporalPositionIdentifier"),
    ("FrameAcquisitionNumber", "AcquisitionNumber"),
    ("PulseSequenceName", "SequenceName"),
    ("TransmitterFrequency", "ImagingFrequency"),
    ("ResonantNucleus", "ImagedNucleus"),
)
"""Attributes that say the same under another keyword (PS3.3 C.8.13, C.7.6.16.2)."""

MAX_FRAMES = 1 << 15
"""Refused above: a header is kept for each frame, some 10 kB."""

_NOT_CLASSIC = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "NumberOfFrames",
                "DimensionOrganizationSequence", "DimensionIndexSequence")  # fmt: skip


def flattened(dataset: Dataset) -> tuple[Dataset, ...]:
    """Return one classic header a frame, in frame order; they share the elements that do not differ.

    Raises
    ------
    SeriesRefused
        When the number of frames is not the number of functional groups, or is beyond `MAX_FRAMES`.
    """
    per_frame = dataset.PerFrameFunctionalGroupsSequence
    if int(dataset.NumberOfFrames) != len(per_frame):
        raise SeriesRefused(f"{int(dataset.NumberOfFrames)} frames are declared and {len(per_frame)} described")
    if len(per_frame) > MAX_FRAMES:
        raise SeriesRefused(f"{len(per_frame)} frames in one instance, {MAX_FRAMES} are the most")
    dropped = {tag_for_keyword(keyword) for keyword in _NOT_CLASSIC}
    base: Elements = {tag: dataset[tag] for tag in dataset.keys() if tag not in dropped}  # noqa: SIM118 - a Dataset iterates over elements
    for item in (dataset.get("SharedFunctionalGroupsSequence") or [])[:1]:
        base |= _lifted(item)
    headers = []
    for item in per_frame:
        header = Dataset(base | _lifted(item))
        header.file_meta = dataset.file_meta
        _name_as_classic(header)
        headers.append(header)
    return tuple(headers)


def _lifted(item: Dataset) -> Elements:
    """Return the attributes of a functional group item, those of its macros beside them."""
    elements: Elements = {}
    for tag in item.keys():  # noqa: SIM118 - a Dataset iterates over elements
        if tag.is_private:
            continue
        element = item[tag]
        if element.keyword in LIFTED:
            if len(items := list(element.value or [])) == 1:
                elements |= _lifted(items[0])
        else:
            elements[tag] = element
    return elements


def _name_as_classic(header: Dataset) -> None:
    for enhanced, classic in RENAMED:
        if (value := header.get(enhanced)) not in (None, ""):
            setattr(header, classic, _as_classic(value, classic))
    if header.get("InPlanePhaseEncodingDirection") == "COLUMN":
        header.InPlanePhaseEncodingDirection = "COL"
    acquired = str(header.get("FrameAcquisitionDateTime") or header.get("AcquisitionDateTime") or "")
    if len(acquired) > 8:
        header.AcquisitionDate = acquired[:8]
        header.AcquisitionTime = acquired[8:].split("+")[0].split("-")[0]
    for keyword, derive in (("ScanningSequence", scanning_sequence), ("SequenceVariant", sequence_variant)):
        if keyword not in header and (values := derive(header)):
            setattr(header, keyword, values if len(values) > 1 else values[0])


def _as_classic(value: Any, keyword: str) -> Any:
    if dictionary_VR(keyword) != "DS":
        return value
    if isinstance(value, MultiValue):
        return [DSfloat(float(one), auto_format=True) for one in value]
    return DSfloat(float(value), auto_format=True)


_ECHO_PULSE_SEQUENCE = {"SPIN": ["SE"], "GRADIENT": ["GR"], "BOTH": ["SE", "GR"]}


def scanning_sequence(header: Mapping[str, Any] | Dataset) -> list[str]:
    """Derive ScanningSequence (0018,0020) from the MR Pulse Sequence and MR Modifier (PS3.3 C.8.13.4, C.8.13.5.5).

    Empty where Echo Pulse Sequence (0018,9008) is missing: nothing is invented.
    """
    values = list(_ECHO_PULSE_SEQUENCE.get(str(header.get("EchoPulseSequence")), []))
    if values and header.get("EchoPlanarPulseSequence") == "YES":
        values.append("EP")
    if values and header.get("InversionRecovery") == "YES":
        values.append("IR")
    return values


_VARIANTS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("SK", lambda h: h.get("SegmentedKSpaceTraversal") in ("PARTIAL", "FULL")),
    ("MTC", lambda h: h.get("MagnetizationTransfer") not in (None, "", "NONE")),
    ("SS", lambda h: h.get("SteadyStatePulseSequence") not in (None, "", "NONE")),
    ("SP", lambda h: h.get("Spoiling") not in (None, "", "NONE")),
    ("MP", lambda h: "YES" in (h.get("InversionRecovery"), h.get("T2Preparation"), h.get("SaturationRecovery"))),
    ("OSP", lambda h: h.get("OversamplingPhase") not in (None, "", "NONE")),
)


def sequence_variant(header: Mapping[str, Any] | Dataset) -> list[str]:
    """Derive SequenceVariant (0018,0021), ``NONE`` where none of its variants was declared; empty where unknown."""
    if header.get("EchoPulseSequence") is None:
        return []
    return [variant for variant, holds in _VARIANTS if holds(header)] or ["NONE"]
