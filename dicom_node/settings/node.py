"""All settings of a node, from where they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from dicom_node.settings.messages import Audit, CommitmentSettings, Mpps
from dicom_node.settings.part import checked_ae_title
from dicom_node.settings.receiving import CallingAes, Listen
from dicom_node.settings.work import Completeness, Console, Deliver, Derived, Infer, Log, Retention

PREFIX, DELIMITER = "DICOM_NODE__", "__"


class Environment(EnvSettingsSource):
    """The variables of the environment, as a tree of settings."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Leave what is not JSON as it is: the model says what it wants there instead."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class Settings(BaseSettings):
    """Everything that an admin can set; every key is also an environment variable, ``DICOM_NODE__LISTEN__PORT=…``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, env_parse_none_str="null",
        extra="forbid", frozen=True, validate_default=True,
    )  # fmt: skip

    ae_title: str = "HARMONIZE"
    listen: Listen = Listen()
    calling_ae: CallingAes = "any"
    data_dir: Path = Path("./var")
    database_url: str | None = None
    rules: Path = Path("routing_rules.yaml")
    completeness: Completeness = Completeness()
    infer: Infer = Infer()
    deliver: Deliver = Deliver()
    derived: Derived = Derived()
    console: Console = Console()
    retention: Retention = Retention()
    commitment: CommitmentSettings = CommitmentSettings()
    mpps: Mpps = Mpps()
    audit: Audit = Audit()
    log: Log = Log()

    @field_validator("ae_title")
    @classmethod
    def _is_ae_title(cls, value: str) -> str:
        return checked_ae_title(value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment go before the file, which comes as the constructor's arguments."""
        return Environment(settings_cls), init_settings

    @property
    def ledger_url(self) -> str:
        """Return the database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ledger.sqlite'}"

    @property
    def targets_dir(self) -> Path:
        """Return the folder of the targets that the site added."""
        return self.infer.targets or self.data_dir / "targets"
