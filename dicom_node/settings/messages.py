"""Settings of what the receiver does beside storing: storage commitment, MPPS, and the audit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from dicom_node.settings.part import Part, checked_ae_title


class PeerTls(Part):
    """How the node speaks TLS to a peer: whom it trusts, and what it shows, in PEM."""

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class CommitmentPeer(Part):
    """A requestor of storage commitment, and where it takes reports."""

    ae_title: str
    host: str
    port: int = Field(default=104, ge=1, le=65535)
    tls: PeerTls | None = None

    @field_validator("ae_title")
    @classmethod
    def _is_ae_title(cls, value: str) -> str:
        return checked_ae_title(value)


class CommitmentSettings(Part):
    """Whether requests for storage commitment are taken, and how their reports reach the requestors."""

    accept: bool = False  # a scanner may delete what was committed, and the node is no archive: only who asks for it
    peers: tuple[CommitmentPeer, ...] = ()
    port: int = Field(default=104, ge=1, le=65535)
    wait_s: float = Field(default=30, ge=0, le=3600)
    retry_first_s: float = Field(default=30, gt=0)
    retry_max_s: float = Field(default=600, gt=0, le=86_400)
    give_up_days: float = Field(default=3, gt=0, le=365)


class Mpps(Part):
    """Whether performed procedure steps are taken."""

    accept: bool = True


class Audit(Part):
    """Where audit messages go, and how long the ledger remembers associations."""

    to: Literal["nowhere", "file", "syslog"] = "nowhere"
    file: Path = Path("audit.log")
    host: str = "127.0.0.1"
    port: int = Field(default=6514, ge=1, le=65535)
    tls: bool = True
    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    keep_days: float = Field(default=365, gt=0, le=36_500)
