"""How each vendor writes a pulse sequence and the magnet into an MR header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.simulate.grid import Plane
from training.simulate.sequences import Flair, Mprage, Sequence, SpoiledGradientEcho, TurboSpinEcho
from training.simulate.sites import Site

MACHINES: dict[tuple[str, str], tuple[str, float]] = {
    ("GE", "1.5 T"): ("SIGNA EXCITE", 63.86), ("GE", "3 T"): ("DISCOVERY MR750", 127.72),
    ("Philips", "1.5 T"): ("Intera", 63.88), ("Philips", "3 T"): ("Achieva", 127.7685),
    ("Siemens", "1.5 T"): ("Avanto", 63.68), ("Siemens", "3 T"): ("Skyra", 123.25),
    ("Canon", "1.5 T"): ("Vantage Titan", 63.6), ("Canon", "3 T"): ("Vantage Galan 3T", 123.21),
}  # fmt: skip
"""Vendor and magnet to ManufacturerModelName and ImagingFrequency, MHz: "3 T" of Siemens and Canon is 2.89 T, and
MagneticFieldStrength says 3 all the same."""

PLANES: dict[str, Mapping[Plane, str]] = {
    "GE": {"axial": "Ax", "sagittal": "Sag", "coronal": "Cor"},
    "Philips": {"axial": "TRA", "sagittal": "SAG", "coronal": "COR"},
    "Siemens": {"axial": "tra", "sagittal": "sag", "coronal": "cor"},
    "Canon": {"axial": "AX", "sagittal": "SAG", "coronal": "COR"},
}  # fmt: skip
"""Words of a vendor for the planes."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a vendor calls a sequence.

    Attributes
    ----------
    name
        SeriesDescription, with places for contrast, plane and length of the echo train.
    scanning, variant
        ScanningSequence, SequenceVariant.
    sequence_name
        SequenceName, with the same places; empty: it writes none.
    further
        Keyword -> value.
    """

    name: str
    scanning: str | list[str]
    variant: str | list[str]
    sequence_name: str = ""
    further: Mapping[str, Any] = field(default_factory=dict)


def _philips(kind: str) -> Mapping[str, Any]:
    return {"ImageType": ["ORIGINAL", "PRIMARY", f"M_{kind}", "M", kind]}


_IR = {"ScanOptions": "IR"}

SPELLINGS: dict[tuple[str, type[Sequence]], Spelling] = {
    ("GE", Mprage): Spelling("{plane} 3D {contrast} IR-SPGR", ["GR", "IR"], ["SS", "SP"]),
    ("GE", SpoiledGradientEcho): Spelling("{plane} 3D {contrast} SPGR", "GR", ["SS", "SP"]),
    ("GE", TurboSpinEcho): Spelling("{plane} {contrast} FSE", "SE", "SK"),
    ("GE", Flair): Spelling("{plane} T2 FLAIR", ["SE", "IR"], "SK"),
    # an inversion is hidden behind MP
    ("Philips", Mprage): Spelling("3D_{contrast}_TFE_{plane}", "GR", "MP", further=_philips("FFE")),
    ("Philips", SpoiledGradientEcho): Spelling("{contrast}W_3D_FFE_{plane}", "GR", "SS", further=_philips("FFE")),
    ("Philips", TurboSpinEcho): Spelling("{contrast}W_TSE_{plane}", "SE", "SK", further=_philips("SE")),
    ("Philips", Flair): Spelling("T2W_FLAIR_{plane}", "IR", "SK", further=_philips("IR")),
    ("Siemens", Mprage): Spelling("t1_mprage_{plane}", ["GR", "IR"], ["SK", "SP", "MP"], "*tfl3d1", _IR),
    ("Siemens", SpoiledGradientEcho): Spelling("{contrast}_fl3d_{plane}", "GR", ["SK", "SP"], "*fl3d1"),
    ("Siemens", TurboSpinEcho): Spelling("{contrast}_tse_{plane}", "SE", ["SK", "SP"], "*tse2d1_{echoes}"),
    ("Siemens", Flair): Spelling(
        "t2_tirm_{plane}_dark-fluid", ["SE", "IR"], ["SK", "SP", "MP"], "*tir2d1_{echoes}", _IR
    ),
    # no header of these was at hand: invented after that of a diffusion series
    ("Canon", Mprage): Spelling("MPRAGE {plane}", ["GR", "IR"], "MP", "FFE3D"),
    ("Canon", SpoiledGradientEcho): Spelling("{contrast} FFE3D {plane}", "GR", "SP", "FFE3D"),
    ("Canon", TurboSpinEcho): Spelling("{contrast} FSE2D {plane}", "SE", "SK", "FSE2D"),
    ("Canon", Flair): Spelling("FLAIR {plane}", ["SE", "IR"], "SK", "FIR2D"),
}
"""Vendor and sequence to its spelling."""


def description_of(site: Site, plane: Plane) -> str:
    """Return SeriesDescription of a series of a site."""
    return _filled(_spelling(site).name, site, plane)


def attributes_of(site: Site, plane: Plane) -> dict[str, Any]:
    """Return what the headers of a site's images say of magnet and sequence: keyword -> value."""
    model, imaging_mhz = MACHINES[site.vendor, site.field_strength]
    spelling = _spelling(site)
    attributes = {
        "ManufacturerModelName": model,
        "MagneticFieldStrength": float(site.field_strength.removesuffix(" T")),
        "ImagingFrequency": imaging_mhz,
        "MRAcquisitionType": "3D" if site.grid.thickness_mm is None else "2D",
        "ScanningSequence": spelling.scanning,
        "SequenceVariant": spelling.variant,
        **spelling.further,
        **timing(site.sequence, site.vendor),
    }
    if spelling.sequence_name:
        attributes["SequenceName"] = _filled(spelling.sequence_name, site, plane)
    if site.grid.thickness_mm is not None:
        attributes["SliceThickness"] = site.grid.thickness_mm
    return attributes


def timing(sequence: Sequence, vendor: str) -> dict[str, Any]:
    """Return the timing of a sequence as a vendor states it, ms and degrees.

    RepetitionTime of a prepared gradient echo goes from pulse to pulse for GE, Philips and, as we take it, Canon, and
    from inversion to inversion for Siemens. Philips states no inversion time of it. FlipAngle of a train of spin echoes
    is that of the refocusing for Siemens, that of the excitation for the others.
    """
    echo = {"EchoTime": sequence.echo_ms, "FlipAngle": sequence.flip_deg}
    siemens = vendor == "Siemens"
    if isinstance(sequence, SpoiledGradientEcho):
        return echo | {"RepetitionTime": sequence.repetition_ms, "EchoTrainLength": 1}
    if isinstance(sequence, Mprage):
        cycle = {"RepetitionTime": sequence.cycle_ms, "EchoTrainLength": 1}
        train = {"RepetitionTime": sequence.echo_spacing_ms, "EchoTrainLength": sequence.echoes}
        inversion = {} if vendor == "Philips" else {"InversionTime": sequence.inversion_ms}
        return echo | (cycle if siemens else train) | inversion
    if siemens:
        echo["FlipAngle"] = sequence.refocusing_deg
    echo["EchoTrainLength"] = sequence.echoes
    if isinstance(sequence, TurboSpinEcho):
        return echo | {"RepetitionTime": sequence.repetition_ms}
    return echo | {"RepetitionTime": sequence.cycle_ms, "InversionTime": sequence.inversion_ms}


def _spelling(site: Site) -> Spelling:
    return SPELLINGS[site.vendor, type(site.sequence)]


def _filled(text: str, site: Site, plane: Plane) -> str:
    contrast = site.contrast.lower() if site.vendor == "Siemens" else site.contrast
    echoes = getattr(site.sequence, "echoes", 1)
    return text.format(contrast=contrast, plane=PLANES[site.vendor][plane], echoes=echoes)
