"""How the image was acquired: the frame's attributes, made whole where PS3.3 asks for a value."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom import Dataset
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from dicom_node.domain.stack import Frame
from dicom_node.encode.modules import IMAGE_MODULES, MR_MODULES, Module
from dicom_node.encode.verbatim import LO_LENGTH, copy_modules, text

UNKNOWN_SEQUENCE = {"ScanningSequence": "RM", "SequenceVariant": "NONE"}
"""Type 1 attributes (PS3.3 C.8.3.1) of a source that says nothing: research mode, no variant that is known."""

CONDITIONAL: tuple[tuple[str, str, frozenset[bytes]], ...] = (
    ("InversionTime", "ScanningSequence", frozenset({b"IR"})),
    ("TriggerTime", "ScanOptions", frozenset({b"CG", b"PPG"})),
)
"""Type 2C attributes (PS3.3 C.8.3.1): required when the second holds one of the terms."""

ECHO_PLANAR, SEGMENTED = frozenset({b"EP"}), frozenset({b"SK"})
"""RepetitionTime, type 2C, is required but for echo planar sequences that are not segmented."""

LATERALITIES = (b"R", b"L", b"U", b"B")

ALWAYS_LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit)
"""Transfer syntaxes that no image comes through unchanged, whatever its LossyImageCompression (0028,2110) says."""


def add_acquisition(image: Dataset, frame: Frame) -> None:
    """Copy when, of what and through which codec a frame was acquired: what holds for whatever is derived from it."""
    _copy(image, frame, IMAGE_MODULES)
    if frame.header.file_meta.TransferSyntaxUID in ALWAYS_LOSSY:
        image.LossyImageCompression = "01"
    _add_laterality(image, frame.header)


def add_mr_acquisition(image: Dataset, frame: Frame) -> None:
    """Copy image plane, contrast and MR attributes of a frame as well."""
    add_acquisition(image, frame)
    _copy(image, frame, MR_MODULES)
    for keyword, value in UNKNOWN_SEQUENCE.items():
        if not text(image, keyword):
            setattr(image, keyword, value)
    if not _holds(image, "ScanningSequence", ECHO_PLANAR) or _holds(image, "SequenceVariant", SEGMENTED):
        _require(image, "RepetitionTime")
    for keyword, condition, terms in CONDITIONAL:
        if _holds(image, condition, terms):
            _require(image, keyword)
        elif frame.frame_number is not None and keyword in image:
            del image[keyword]  # multi-frame images hold zeros here; what a classic source says is left to it
    _add_contrast_agent(image, frame.header)


def _copy(image: Dataset, frame: Frame, modules: Sequence[Module]) -> None:
    copy_modules(frame.header, image, modules)
    for keyword in (keyword for module in modules for keyword in module.kept):
        if keyword in image and not text(image, keyword):
            del image[keyword]  # types 1 and 3: an empty one says nothing, or is wrong


def _add_laterality(image: Dataset, header: Dataset) -> None:
    """Add ImageLaterality from a multi-frame source, or Laterality, type 2C, empty only where no body part decides."""
    if "Laterality" in image and not text(image, "Laterality"):
        del image.Laterality
    if "Laterality" in image or "ImageLaterality" in image:
        return
    if text(header, "FrameLaterality") in LATERALITIES:
        image.ImageLaterality = text(header, "FrameLaterality").decode()
    elif not text(image, "BodyPartExamined") and "AnatomicRegionSequence" not in image:
        _require(image, "Laterality")


def _add_contrast_agent(image: Dataset, header: Dataset) -> None:
    """Add ContrastBolusAgent (0018,0010) where a source names the agents by code alone, as multi-frame images do."""
    agents = [] if text(image, "ContrastBolusAgent") else header.get("ContrastBolusAgentSequence") or []
    names = ", ".join(str(agent.get("CodeMeaning") or agent.get("CodeValue") or "unnamed") for agent in agents)
    if names:
        image.ContrastBolusAgent = names[:LO_LENGTH]


def _holds(image: Dataset, keyword: str, terms: frozenset[bytes]) -> bool:
    return not terms.isdisjoint(term.strip() for term in text(image, keyword).split(b"\\"))


def _require(image: Dataset, keyword: str) -> None:
    if keyword not in image:
        setattr(image, keyword, None)
