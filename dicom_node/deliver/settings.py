"""What is written about a DICOM destination in the rules file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dicom_node.domain.identifiers import is_ae_title


def _ae_title(value: str) -> str:
    if not is_ae_title(value):
        raise ValueError("an AE title has 1 to 16 printable characters and no backslash")
    return value


AeTitle = Annotated[str, AfterValidator(_ae_title)]


class DicomDestinationSettings(BaseModel):
    """Where and how a PACS is reached.

    Attributes
    ----------
    host, port, ae_title
        Of the PACS.
    calling_ae
        The title that the node calls itself there; by default the one it listens under.
    connect_timeout_s
        For the TCP connection, s.
    response_timeout_s
        For each answer: to the association request, to each instance, to the release, s.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dicom"] = "dicom"
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    ae_title: AeTitle
    calling_ae: AeTitle | None = None
    connect_timeout_s: float = Field(default=10, gt=0)
    response_timeout_s: float = Field(default=60, gt=0)
