"""What all parts of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from dicom_node.domain.identifiers import is_ae_title


class Part(BaseModel):
    """Settings that belong together: a mapping in node.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def checked_ae_title(value: str) -> str:
    """Return an AE title.

    Raises
    ------
    ValueError
        When it is none (PS3.5 6.2, VR AE).
    """
    if not is_ae_title(value):
        raise ValueError("an AE title has 1 to 16 printable ASCII characters and no backslash")
    return value
