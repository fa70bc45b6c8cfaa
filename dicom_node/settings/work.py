"""Settings of the work: when a series is complete, how models run, how results are named, sent and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from dicom_node.domain.provenance import USUAL_CT_SCALE, CtScale
from dicom_node.settings.part import Part, checked_ae_title


class CountFrom(Part):
    """A PACS that gets the same series from the scanners, and is asked how much of them it has."""

    host: str
    port: int = Field(default=104, ge=1, le=65535)
    ae_title: str

    @field_validator("ae_title")
    @classmethod
    def _is_ae_title(cls, value: str) -> str:
        return checked_ae_title(value)


class Completeness(Part):
    """When a series counts as complete; see docs/explanation/completeness.md."""

    settle_s: float | None = Field(default=None, ge=0)
    settle_min_s: float = Field(default=1, ge=0)
    silence_s: float = Field(default=30, gt=0)
    late: Literal["never", "replace", "new_series"] = "replace"
    count_from: CountFrom | None = None


class Infer(Part):
    """Where and how long models run."""

    executor: Literal["local"] = "local"
    device: str = "auto"
    timeout_s: float = Field(default=600, gt=0)
    attempts: int = Field(default=3, ge=1)
    models: tuple[Path, ...] = ()
    targets: Path | None = None


class Deliver(Part):
    """How often a destination that is down is tried again."""

    retry_first_s: float = Field(default=30, gt=0)
    retry_max_s: float = Field(default=600, gt=0)


class Derived(Part):
    """What derived series are called, and how the HU of CT are stored."""

    series_number_offset: int = Field(default=1000, ge=0)
    ct_intercept_hu: int = Field(default=USUAL_CT_SCALE.intercept_hu, ge=-8192, le=-1024)
    ct_kvp: float | None = Field(default=None, gt=0, le=1000)

    @property
    def ct(self) -> CtScale:
        """How HU become stored integers."""
        return CtScale(self.ct_intercept_hu, self.ct_kvp)


class Console(Part):
    """Where health and metrics are served."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)


class Retention(Part):
    """How long finished series stay, and how much space must stay free."""

    keep_days: float = Field(default=7, gt=0, le=36_500)
    min_free_gib: float = Field(default=5, ge=0)
    facts_series: int = Field(default=500, ge=0)


class Log(Part):
    """What is logged, and how it looks."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"
