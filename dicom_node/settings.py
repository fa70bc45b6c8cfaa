"""The node's settings: `node.yaml`, over it the environment, below it the defaults."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from dicom_node import located_yaml
from dicom_node.domain.identifiers import is_ae_title
from dicom_node.domain.provenance import USUAL_CT_SCALE, CtScale
from dicom_node.yaml_tree import LocatedMap

DEFAULT_FILE = Path("node.yaml")
PREFIX, DELIMITER = "DICOM_NODE__", "__"
_CONTAINERS = ("must be a list", "must hold keys with values")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Listen(_Part):
    """Where scanners reach the node."""

    host: str = "127.0.0.1"
    port: int = Field(default=11112, ge=0, le=65535)
    processes: int = Field(default=1, ge=1, le=1)
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
    targets: Path | None = None


class Deliver(_Part):
    """How often a destination that is down is tried again."""

    retry_first_s: float = Field(default=30, gt=0)
    retry_max_s: float = Field(default=600, gt=0)


class Derived(_Part):
    """What derived series are called, and how the HU of CT are stored."""

    series_number_offset: int = Field(default=1000, ge=0)
    ct_intercept_hu: int = Field(default=USUAL_CT_SCALE.intercept_hu, ge=-8192, le=-1024)
    ct_kvp: float | None = Field(default=None, gt=0, le=1000)

    @property
    def ct(self) -> CtScale:
        """How HU become stored integers."""
        return CtScale(self.ct_intercept_hu, self.ct_kvp)


class Console(_Part):
    """Where health and metrics are served."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)


class Retention(_Part):
    """How long finished series stay, and how much space must stay free."""

    keep_days: float = Field(default=7, gt=0, le=36_500)
    min_free_gib: float = Field(default=5, ge=0)
    facts_series: int = Field(default=500, ge=0)


class Log(_Part):
    """What is logged, and how it looks."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


_WORD, _LIST = "(word)", "(list)"


def _form(value: Any) -> str:
    """Tell which of the two forms of ``calling_ae`` was meant, so that only its mistakes are told."""
    return _WORD if isinstance(value, str) else _LIST


def _is_any(value: str) -> str:
    if value != "any":
        raise ValueError("must be 'any', or a list of {ae_title, hosts}")
    return value


CallingAes = Annotated[
    Annotated[Literal["any"], BeforeValidator(_is_any), Tag(_WORD)]
    | Annotated[tuple[CallingAe, ...], Tag(_LIST)],
    Discriminator(_form),
]  # fmt: skip


class _Environment(EnvSettingsSource):
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
        return _Environment(settings_cls), init_settings

    @property
    def ledger_url(self) -> str:
        """Return the database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ledger.sqlite'}"

    @property
    def targets_dir(self) -> Path:
        """Return the folder of the targets that the site added."""
        return self.infer.targets or self.data_dir / "targets"


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
        With file, line and key of the first mistake, or the environment variable that holds it.
    """
    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    data = LocatedMap() if path is None else located_yaml.read(path)
    problems = list(_unknown_variables())
    try:
        settings = Settings(**data)
    except ValidationError as error:
        problems += _problems(path or DEFAULT_FILE, data, error)
    if problems:  # outside of the handler: pydantic's error holds the values, passwords too
        raise located_yaml.FileRefused(problems)
    return _anchored(settings, Path.cwd() if path is None else path.absolute().parent)


def _unknown_variables() -> Iterator[str]:
    """Tell of variables that name no setting: pydantic passes over them, and a misspelt one would go unnoticed."""
    known = [name.upper() for name in Settings.model_fields]
    for variable in sorted(os.environ):
        if variable.upper().startswith(PREFIX):
            name = variable[len(PREFIX) :].split(DELIMITER)[0].upper()
            if name not in known:
                yield f"environment: {variable}: not a setting{located_yaml.did_you_mean(name, known)}"


def _problems(path: Path, data: LocatedMap, error: ValidationError) -> list[str]:
    """Word the mistakes, each with where it stands: a variable, or a line of the file."""
    environment = _Environment(Settings)()
    of_variables, of_file = [], []
    for mistake in located_yaml.worded(error, Settings):
        loc = tuple(step for step in mistake["loc"] if step not in (_WORD, _LIST))
        if _is_from(environment, loc):
            message = str(mistake["type"])
            as_json = ", written as JSON" if message in _CONTAINERS else ""
            of_variables.append(f"environment: {_variable(loc)}: {message}{as_json}")
        else:
            of_file.append(InitErrorDetails(type=mistake["type"], loc=loc, input=None))
    if not of_file:
        return of_variables
    remaining = ValidationError.from_exception_data(Settings.__name__, of_file)
    return [*of_variables, *located_yaml.problem_lines(path, data, remaining, Settings)]


def _is_from(environment: Mapping[str, Any], loc: located_yaml.Loc) -> bool:
    """Tell whether the environment gave what stands at `loc`: its mappings lie over the file's, the rest replaces."""
    tree: Any = environment
    for step in loc:
        if not isinstance(tree, dict):
            return True
        if step not in tree:
            return False
        tree = tree[step]
    return True


def _variable(loc: located_yaml.Loc) -> str:
    """Return the variable that gave what stands at `loc`, and the key within it where it holds several."""
    for length in range(len(loc), 0, -1):
        name = PREFIX + DELIMITER.join(map(str, loc[:length])).upper()
        for variable in os.environ:
            if variable.upper() == name or variable.upper().startswith(name + DELIMITER):
                return ": ".join((variable, *filter(None, [".".join(map(str, loc[length:]))])))
    return PREFIX


def _anchored(settings: Settings, base: Path) -> Settings:
    models, targets = settings.infer.models, settings.infer.targets
    infer = settings.infer.model_copy(
        update={"models": tuple(base / folder for folder in models), "targets": targets and base / targets}
    )
    return settings.model_copy(
        update={"data_dir": base / settings.data_dir, "rules": base / settings.rules, "infer": infer}
    )


def _checked_ae_title(value: str) -> str:
    if not is_ae_title(value):
        raise ValueError("an AE title has 1 to 16 printable ASCII characters and no backslash")
    return value
