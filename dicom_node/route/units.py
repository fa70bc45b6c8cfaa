"""The units in which DICOM writes its numbers, and those in which a rule may: ``{at_most: 0.8 s}``."""

from __future__ import annotations

import re

ELEMENT_UNITS: dict[str, str] = {
    **dict.fromkeys(
        ("SliceThickness", "SpacingBetweenSlices", "PixelSpacing", "ImagerPixelSpacing", "ReconstructionDiameter",
         "DataCollectionDiameter", "SliceLocation", "TableHeight", "ImagePositionPatient", "DistanceSourceToDetector",
         "DistanceSourceToPatient", "SingleCollimationWidth", "TotalCollimationWidth"), "mm"),
    **dict.fromkeys(
        ("EchoTime", "RepetitionTime", "InversionTime", "TriggerTime", "ExposureTime", "EffectiveEchoTime",
         "NominalInterval"), "ms"),
    "AcquisitionDuration": "s",
    **dict.fromkeys(("FlipAngle", "GantryDetectorTilt"), "deg"),
    "KVP": "kV", "XRayTubeCurrent": "mA", "ImagingFrequency": "MHz", "PixelBandwidth": "Hz", "PatientWeight": "kg",
    "PatientSize": "m", "ContrastBolusVolume": "mL", "DiffusionBValue": "s/mm2",
}  # fmt: skip
"""Keyword to the unit of its values (PS3.3 C.7.6.2, C.8.3.1, C.8.2.1, C.7.2.2, C.7.6.4, C.8.13.5.9)."""

UNITS: dict[str, tuple[str, float]] = {
    "m": ("length", 1.0), "cm": ("length", 1e-2), "mm": ("length", 1e-3), "um": ("length", 1e-6),
    "min": ("time", 60.0), "s": ("time", 1.0), "ms": ("time", 1e-3), "us": ("time", 1e-6),
    "T": ("field strength", 1.0), "tesla": ("field strength", 1.0), "mT": ("field strength", 1e-3),
    "G": ("field strength", 1e-4), "gauss": ("field strength", 1e-4), "kG": ("field strength", 0.1),
    "deg": ("angle", 1.0), "V": ("voltage", 1.0), "kV": ("voltage", 1e3),
    "A": ("current", 1.0), "mA": ("current", 1e-3), "Hz": ("frequency", 1.0), "kHz": ("frequency", 1e3),
    "MHz": ("frequency", 1e6), "kg": ("mass", 1.0), "g": ("mass", 1e-3), "mL": ("volume", 1.0), "L": ("volume", 1e3),
    "s/mm2": ("diffusion weighting", 1.0),
}  # fmt: skip
"""Unit to what it measures, and its size."""

_QUANTITY = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([a-zA-Zµμ°][a-zA-Z0-9²/]*|°)\s*")
_OTHERWISE = str.maketrans({"µ": "u", "μ": "u", "²": "2", "°": "deg"})


class BadUnit(ValueError):
    """A unit that cannot be meant here; the message says which can."""


def split_quantity(text: str) -> tuple[str, str] | None:
    """Return number and unit of ``0.8 s``, None where no unit is named."""
    found = _QUANTITY.fullmatch(text)
    return (found[1], found[2].translate(_OTHERWISE)) if found else None


def factor(unit: str, *, of: str, standard: str | None) -> float:
    """Return what a number in `unit` is multiplied by to be in the unit of the key.

    Parameters
    ----------
    of
        The key, for the message.
    standard
        The unit of its values, None where the node knows none.

    Raises
    ------
    BadUnit
        When the key has no unit, or one of another kind.
    """
    if of == "MagneticFieldStrength":
        raise BadUnit("is in tesla or gauss, as the scanner pleases: ask 'field_strength_t', which is in tesla")
    if standard is None:
        raise BadUnit(f"takes a number alone: no unit is known for '{of}'")
    measures, size = UNITS[standard]
    if unit not in UNITS or UNITS[unit][0] != measures:
        fitting = ", ".join(f"'{name}'" for name, (kind, _) in UNITS.items() if kind == measures)
        raise BadUnit(f"'{of}' is a {measures} in {standard}: the unit may be {fitting}")
    return UNITS[unit][1] / size
