"""Reads `node.yaml`, and says of each mistake in it or in the environment where it stands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from dicom_node import located_yaml
from dicom_node.settings.messages import PeerTls
from dicom_node.settings.node import DELIMITER, PREFIX, Environment, Settings
from dicom_node.settings.receiving import LIST, WORD, Tls
from dicom_node.yaml_tree import LocatedMap

DEFAULT_FILE = Path("node.yaml")
_CONTAINERS = ("must be a list", "must hold keys with values")


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
    environment = Environment(Settings)()
    of_variables, of_file = [], []
    for mistake in located_yaml.worded(error, Settings):
        loc = tuple(step for step in mistake["loc"] if step not in (WORD, LIST))
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
    tls = settings.listen.tls
    if tls is not None:
        client_ca = tls.client_ca and base / tls.client_ca
        tls = Tls(certificate=base / tls.certificate, key=base / tls.key, client_ca=client_ca)
    peers = tuple(
        each.model_copy(update={"tls": each.tls and _below(base, each.tls)}) for each in settings.commitment.peers
    )
    audit = settings.audit
    files = {"ca_file": audit.ca_file, "certificate": audit.certificate, "key": audit.key}
    return settings.model_copy(
        update={
            "data_dir": base / settings.data_dir,
            "rules": base / settings.rules,
            "infer": infer,
            "listen": settings.listen.model_copy(update={"tls": tls}),
            "commitment": settings.commitment.model_copy(update={"peers": peers}),
            "audit": audit.model_copy(
                update={"file": base / audit.file, **{name: path and base / path for name, path in files.items()}}
            ),
        }
    )


def _below(base: Path, tls: PeerTls) -> PeerTls:
    files = {"ca_file": tls.ca_file, "certificate": tls.certificate, "key": tls.key}
    return tls.model_copy(update={name: path and base / path for name, path in files.items()})
