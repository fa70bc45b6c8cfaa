"""Where a derived series comes from: everything that its headers must tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dicom_node.domain.identifiers import uid_of

MANUFACTURER = "dicom-node project"
MODEL_NAME = "dicom-node"
"""Manufacturer and ManufacturerModelName of every derived object: by them a node knows the work of another."""

IMPLEMENTATION_CLASS_UID = uid_of("implementation", [MODEL_NAME])
IMPLEMENTATION_VERSION_NAME = "DICOM_NODE"
"""In the file meta information of every file that the node writes (PS3.10 7.1)."""


@dataclass(frozen=True, slots=True)
class StoredScale:
    """How model values become stored integers: the same for every patient of a target, so that follow-up compares.

    Attributes
    ----------
    values_per_unit
        stored = round(value * values_per_unit), clipped to 0...4095.
    window_center, window_width
        Default window, in stored values.
    """

    values_per_unit: float
    window_center: float
    window_width: float


@dataclass(frozen=True, slots=True)
class CtScale:
    """How HU become stored integers: the same for every CT of a node.

    Attributes
    ----------
    intercept_hu
        stored = round(HU - intercept_hu), clipped to 0...65535.
    kvp
        What stands where a scanner names the voltage of its tube, kV; None leaves it empty, since there was none.
    """

    intercept_hu: int = -1024
    kvp: float | None = None


USUAL_CT_SCALE = CtScale()
"""Where nobody asked for another."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a derived series.

    Attributes
    ----------
    model, model_version, model_digest
        Name and version of the bundle, and its SHA-256 (64 hexadecimal digits).
    task, target
        ``harmonization``, and the look it aims at.
    target_digest
        SHA-256 of the look where the site added it; None where it came with the bundle.
    node_version
        Of this software.
    serial_number
        Of this node, DeviceSerialNumber (0018,1000).
    series_uid, series_number
        Of the derived series.
    derived_at
        UTC; stands in every derived date, so that a retry writes the same bytes.
    revision
        Of the source series.
    warnings
        Of the output gate, each a short sentence; empty when all was well.
    """

    model: str
    model_version: str
    model_digest: str
    task: str
    target: str | None
    node_version: str
    serial_number: str
    series_uid: str
    series_number: int
    derived_at: datetime
    revision: int
    warnings: tuple[str, ...] = ()
    target_digest: str | None = None
