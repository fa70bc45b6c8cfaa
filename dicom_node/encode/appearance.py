"""How derived series look to the rules: what every series of a kind has in its header, whatever it was made of."""

from __future__ import annotations

from collections.abc import Mapping

from dicom_node.domain.facts import FactValue
from dicom_node.domain.provenance import MANUFACTURER, MODEL_NAME

_COMMON: Mapping[str, FactValue | None] = {
    "Manufacturer": MANUFACTURER, "ManufacturerModelName": MODEL_NAME, "manufacturer": None, "StationName": None,
    "InstitutionName": None, "InstitutionalDepartmentName": None, "SyntheticData": "YES", "is_original": False,
}  # fmt: skip

APPEARANCE: Mapping[str, Mapping[str, FactValue | None]] = {
    "mr": {**_COMMON, "Modality": "MR", "ImageType": ("DERIVED", "SECONDARY", "OTHER")},
    "ct": {
        **_COMMON, "Modality": "CT", "ImageType": ("DERIVED", "SECONDARY", "AXIAL"), "orientation": "axial",
        "contrast": None, "field_strength_t": None, "MagneticFieldStrength": None, "is_3d": None,
        "sequence_family": None,
    },
}  # fmt: skip
"""Kind of a bundle's output -> keyword or derived fact -> its value; None: it is missing."""
