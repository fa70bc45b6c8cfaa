"""What is known about a stack when the rules look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool
FactValue: TypeAlias = Scalar | tuple[Scalar, ...]

DERIVED_FACTS: dict[str, tuple[type, str]] = {
    "manufacturer": (str, "the vendor, from Manufacturer (0008,0070): Siemens, GE, Philips, Toshiba, Canon, UIH, "
                          "Hitachi or Fujifilm; absent when the spelling is unknown"),
    "field_strength_t": (float, "MagneticFieldStrength (0018,0087) in tesla, from tesla or gauss"),
    "calling_ae": (str, "AE title of the sender"),
    "called_ae": (str, "AE title that the sender called"),
    "slices": (int, "number of slices in the stack"),
    "spacing_mm": (float, "distance between slice centres, from the positions, in mm"),
    "in_plane_mm": (float, "larger of the two pixel spacings, in mm"),
    "orientation": (str, "axial, coronal, sagittal: the anatomical plane that the slices are closest to"),
    "is_3d": (bool, "true when MRAcquisitionType (0018,0023) is 3D"),
    "contrast": (str, "T1, T2, PD, FLAIR, DIFFUSION, PERFUSION, SWI, ANGIO or FUNCTIONAL, from the description and "
                      "the sequence's timing; absent when they do not settle it"),
    "contrast_agent": (bool, "true when a contrast agent is named"),
    "is_original": (bool, "true when ImageType (0008,0008) begins with ORIGINAL"),
}  # fmt: skip
"""Derived facts a rule may name: their type and what they mean. The rules reference is generated from this table."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Header values and derived facts of one stack.

    Attributes
    ----------
    header
        DICOM keyword, or ``(gggg,eeee)`` for an element without one, to its value; text is stripped, numbers are
        numbers, several values are a tuple. Empty and binary elements are left out. For a multi-frame image the
        functional groups of its first frame stand here under their classic keywords. BodyPartExamined is the meaning
        of AnatomicRegionSequence, in capitals, where a source has only that.
    derived
        Names of `DERIVED_FACTS` to values; what is unknown is left out.
    """

    header: Mapping[str, FactValue] = field(default_factory=dict)
    derived: Mapping[str, FactValue] = field(default_factory=dict)

    def get(self, key: str) -> FactValue | None:
        """Return the value of a header element or derived fact, or None when it is missing."""
        return self.derived.get(key) if key in DERIVED_FACTS else self.header.get(key)
