"""Settings of the receiver: where scanners reach the node, who may send, and what each may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from dicom_node.settings.part import Part, checked_ae_title


class Tls(Part):
    """Certificates of the listener, in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Limits(Part):
    """What senders may ask of the receiver, all together and each of them."""

    associations: int = Field(default=120, ge=1)
    associations_per_peer: int = Field(default=100, ge=1)
    pdu_bytes: int = Field(default=131072, ge=4096, le=1_000_000)
    instance_gib: float = Field(default=4, gt=0)
    request_s: float = Field(default=5, gt=0)
    pdu_s: float = Field(default=30, gt=0)
    idle_s: float = Field(default=60, gt=0)
    association_s: float = Field(default=43200, gt=0)


class Listen(Part):
    """Where scanners reach the node."""

    host: str = "127.0.0.1"
    port: int = Field(default=11112, ge=0, le=65535)
    processes: int = Field(default=1, ge=1)
    tls: Tls | None = None
    limits: Limits = Limits()

    @field_validator("processes")
    @classmethod
    def _is_one(cls, value: int) -> int:
        if value > 1:
            raise ValueError("one process receives, in this version: leave it out")
        return value


class CallingAe(Part):
    """A sender that is let in."""

    ae_title: str
    hosts: tuple[str, ...] = ()

    @field_validator("ae_title")
    @classmethod
    def _is_ae_title(cls, value: str) -> str:
        return checked_ae_title(value)


WORD, LIST = "(word)", "(list)"
"""The two forms of ``calling_ae``, as pydantic names them in the place of a mistake."""


def _form(value: Any) -> str:
    """Tell which of the two forms of ``calling_ae`` was meant, so that only its mistakes are told."""
    return WORD if isinstance(value, str) else LIST


def _is_any(value: str) -> str:
    if value != "any":
        raise ValueError("must be 'any', or a list of {ae_title, hosts}")
    return value


CallingAes = Annotated[
    Annotated[Literal["any"], BeforeValidator(_is_any), Tag(WORD)]
    | Annotated[tuple[CallingAe, ...], Tag(LIST)],
    Discriminator(_form),
]  # fmt: skip
