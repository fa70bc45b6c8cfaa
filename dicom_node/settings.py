"""The node's settings: `node.yaml`, over it the environment, below it the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from dicom_node import located_yaml
from dicom_node.domain.identifiers import is_ae_title
from dicom_node.yaml_tree import LocatedMap

DEFAULT_FILE = Path("node.yaml")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(_Part):
    """Where scanners reach the node."""

    host: str = "127.0.0.1"
    port: int = Field(default=11112, ge=0, le=65535)
    processes: Literal[1] = 1
    tls: None = None


class CallingAe(_Part):
    """A sender that is let in."""

    ae_title: str
    hosts: tuple[str, ...] = ()

    @field_validator("ae_title")
    @classmethod
    def _is_ae_title(cls, value: str) -> str:
        return _checked_ae_title(value)


class Completeness(_Part):
    """When a series counts as complete; see docs/explanation/completeness.md."""

    settle_s: float = Field(default=2, ge=0)
    silence_s: float = Field(default=30, gt=0)
    late: Literal["never", "replace", "new_series"] = "replace"


class Infer(_Part):
    """Where and how long models run."""

    executor: Literal["local"] = "local"
    device: str = "auto"
    timeout_s: float = Field(default=600, gt=0)
    attempts: int = Field(default=3, ge=1)
    models: tuple[Path, ...] = ()


class Deliver(_Part):
    """How often a destination that is down is tried again."""

    retry_first_s: float = Field(default=30, gt=0)
    retry_max_s: float = Field(default=600, gt=0)


class Derived(_Part):
    """What derived series are called."""

    series_number_offset: int = Field(default=1000, ge=0)


class Console(_Part):
    """Where health and metrics are served."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)


class Retention(_Part):
    """How long finished series stay, and how much space must stay free."""

    keep_days: float = Field(default=7, gt=0)
    min_free_gib: float = Field(default=5, ge=0)


class Log(_Part):
    """What is logged, and how it looks."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """Everything that an admin can set; every key is also an environment variable, ``DICOM_NODE__LISTEN__PORT=…``."""

    model_config = SettingsConfigDict(
        env_prefix="DICOM_NODE__", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    ae_title: str = "HARMONIZE"
    listen: Listen = Listen()
    calling_ae: Literal["any"] | tuple[CallingAe, ...] = "any"
    data_dir: Path = Path("./var")
    database_url: str | None = None
    rules: Path = Path("routing_rules.yaml")
    completeness: Completeness = Completeness()
    infer: Infer = Infer()
    deliver: Deliver = Deliver()
    derived: Derived = Derived()
    console: Console = Console()
    retention: Retention = Retention()
    log: Log = Log()

    @field_validator("ae_title")
    @classmethod
    def _is_ae_title(cls, value: str) -> str:
        return _checked_ae_title(value)

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
        return env_settings, init_settings

    @property
    def ledger_url(self) -> str:
        """Return the database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ledger.sqlite'}"


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    path
        The file; None: ``./node.yaml`` where there is one, else the environment and the defaults alone. Relative
        paths in it are relative to its folder.

    Raises
    ------
    RefusedToStart
        With file, line and key of the first mistake.
    """
    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    data = LocatedMap() if path is None else located_yaml.read(path)
    try:
        settings = Settings(**data)
    except (ValidationError, SettingsError) as error:
        problems = _problems(path, data, error)
    else:
        return _anchored(settings, Path.cwd() if path is None else path.absolute().parent)
    raise located_yaml.FileRefused(problems)


def _problems(path: Path | None, data: LocatedMap, error: ValidationError | SettingsError) -> list[str]:
    if isinstance(error, SettingsError):  # an environment variable that is not what its key needs
        return [f"environment: {error}"]
    return list(located_yaml.problem_lines(path or Path("environment"), data, error, Settings))


def _anchored(settings: Settings, base: Path) -> Settings:
    infer = settings.infer.model_copy(update={"models": tuple(base / folder for folder in settings.infer.models)})
    return settings.model_copy(
        update={"data_dir": base / settings.data_dir, "rules": base / settings.rules, "infer": infer}
    )


def _checked_ae_title(value: str) -> str:
    if not is_ae_title(value):
        raise ValueError("an AE title has 1 to 16 printable ASCII characters and no backslash")
    return value
