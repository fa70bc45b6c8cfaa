"""What is known about a stack when the rules look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Scalar: TypeAlias = str | int | float | bool
FactValue: TypeAlias = Scalar | tuple[Scalar, ...]


class Fact(NamedTuple):
    """A row of `DERIVED_FACTS`.

    Attributes
    ----------
    holds
        Type of its value.
    meaning, computed
        What it says, and how it comes from the header, for the reference.
    values
        All that it can be, where that is a list.
    unit
        Of the number, as `route.units` names it.
    """

    holds: type
    meaning: str
    computed: str
    values: tuple[str, ...] = ()
    unit: str | None = None


DERIVED_FACTS: dict[str, Fact] = {
    "manufacturer": Fact(
        str, "the vendor",
        "Manufacturer (0008,0070): its first words are looked up in a table of spellings; absent when they are unknown",
        ("Siemens", "GE", "Philips", "Toshiba", "Canon", "UIH", "Hitachi", "Fujifilm"),
    ),
    "field_strength_t": Fact(
        float, "field strength, in tesla",
        "MagneticFieldStrength (0018,0087); more than 20 was written in gauss and is divided by 10,000; absent when it "
        "is not above 0", unit="T",
    ),
    "calling_ae": Fact(str, "AE title of the sender", "the association; absent in files that came another way"),
    "called_ae": Fact(str, "AE title that the sender called", "as `calling_ae`"),
    "slices": Fact(int, "number of slices in the stack", "counted: instances, or frames of a multi-frame image"),
    "spacing_mm": Fact(
        float, "distance between slice centres, in mm",
        "ImagePositionPatient (0020,0032) along the normal of the slices; never SliceThickness", unit="mm",
    ),
    "in_plane_mm": Fact(float, "larger of the two pixel spacings, in mm", "PixelSpacing (0028,0030)", unit="mm"),
    "orientation": Fact(
        str, "the anatomical plane that the slices are closest to",
        "ImageOrientationPatient (0020,0037): the axis of the patient that the normal is closest to",
        ("axial", "coronal", "sagittal"),
    ),
    "is_3d": Fact(bool, "whether it was acquired as a volume", "MRAcquisitionType (0018,0023) is 3D"),
    "sequence_family": Fact(
        str, "the kind of pulse sequence",
        "ScanningSequence (0018,0020), or EchoPulseSequence (0018,9008) and its like: EP is EPI, SE with GR is GRASE, "
        "GR is GRE, SE is TSE with an EchoTrainLength (0018,0091) above 1, else SE",
        ("SE", "TSE", "GRE", "GRASE", "EPI"),
    ),
    "contrast": Fact(
        str, "what an MR stack is weighted for",
        "SeriesDescription, else ProtocolName, else the sequence's name, which the timing (TE, TR, TI, flip angle) "
        "must not contradict; absent when they do not settle it, for maps, for phase, and for what is not MR",
        ("T1", "T2", "PD", "FLAIR", "DIFFUSION", "PERFUSION", "SWI", "ANGIO", "FUNCTIONAL"),
    ),
    "contrast_agent": Fact(
        bool, "whether a contrast agent was given",
        "ContrastBolusAgent (0018,0010), a volume, a dose, or coded agents; else words of SeriesDescription or "
        "ProtocolName (`post`, `gd`, `+C`); in doubt there was one",
    ),
    "is_original": Fact(
        bool, "whether the pixels are those of the scan, not derived from others",
        "the first value of ImageType (0008,0008) is ORIGINAL",
    ),
}  # fmt: skip
"""Derived facts that a rule may name. The rules reference and the JSON Schema are generated from this table."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Header values and derived facts of one stack.

    Attributes
    ----------
    header
        DICOM keyword, or ``(gggg,eeee)`` for an element without one, to its value; text is stripped, numbers are
        numbers, several values are a tuple. Empty and binary elements are left out. An element of a sequence stands
        under its path, ``AnatomicRegionSequence.CodeMeaning``, with the values of all items. For a multi-frame image
        the functional groups of its first frame stand here under their classic keywords. BodyPartExamined is the
        meaning of AnatomicRegionSequence, in capitals, where a source has only that.
    derived
        Names of `DERIVED_FACTS` to values; what is unknown is left out.
    """

    header: Mapping[str, FactValue] = field(default_factory=dict)
    derived: Mapping[str, FactValue] = field(default_factory=dict)

    def get(self, key: str) -> FactValue | None:
        """Return the value of a header element or derived fact, or None when it is missing."""
        return self.derived.get(key) if key in DERIVED_FACTS else self.header.get(key)
