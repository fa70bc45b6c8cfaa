"""Options that several commands share, and how their results are shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dicom_node.settings import Settings
    from dicom_node.spool.ledger import Ledger
    from inference.registry import Registry

Config = Annotated[
    Path | None,
    typer.Option("--config", help="The node's settings. Without it: ./node.yaml, and DICOM_NODE__… variables."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")]


NIFTI = (".nii", ".nii.gz")

PIPE_WIDTH = 1_000_000
"""Columns of a table that goes into a pipe or file: a row stays on its line."""


class ContrastName(StrEnum):
    """What a NIfTI file cannot tell of itself."""

    T1 = "T1"
    T2 = "T2"
    PD = "PD"
    FLAIR = "FLAIR"


def example(*commands: str) -> str:
    """Return the end of a command's help: how it is used."""
    # \b keeps the lines as they are
    return "\b\n" + "\n".join(f"{'Example:' if n == 0 else '':8} {command}" for n, command in enumerate(commands))


def is_nifti(path: Path) -> bool:
    """Tell by its name whether a file is NIfTI."""
    return path.name.lower().endswith(NIFTI)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal's standard error what is being done, until it is done."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(Text(f"{shown(what)} …")):
        yield


def settings_of(config: Path | None) -> Settings:
    """Read the settings; see `dicom_node.settings.load_settings`."""
    from dicom_node.log import silence_libraries
    from dicom_node.settings import load_settings

    silence_libraries()
    return load_settings(config)


@contextmanager
def ledger_of(settings: Settings) -> Iterator[Ledger]:
    """Open the ledger of a node that runs or has run; looking makes none.

    Raises
    ------
    NotFound
        When no node has run on this data folder.
    RefusedToStart
        When the ledger cannot be opened.
    """
    from dicom_node.errors import NotFound

    if not has_ledger(settings):
        raise NotFound(
            f"no node has run here: there is no ledger in {settings.data_dir}; name the settings of one with --config, "
            "or start one with `dicom-node serve`"
        )
    from dicom_node.holdings import open_ledger

    ledger = open_ledger(settings)
    try:
        yield ledger
    finally:
        ledger.close()


def has_ledger(settings: Settings) -> bool:
    """Tell whether there is a ledger to look into; one on a database server is taken to be there."""
    return settings.database_url is not None or (settings.data_dir / "ledger.sqlite").is_file()


def registry_of(settings: Settings) -> Registry:
    """Return the models; a folder of the settings that is not there is told on standard error."""
    from dicom_node.holdings import open_registry

    for problem in absent_folders(settings):
        typer.echo(problem, err=True)
    return open_registry(settings)


def absent_folders(settings: Settings) -> list[str]:
    """Say which folders of models are not there: a registry takes them for empty."""
    return [f"infer.models: {each}: there is no such folder" for each in settings.infer.models if not each.is_dir()]


def show_json(document: Any) -> None:
    """Print one JSON document, in ASCII: no terminal obeys it, no locale fails on it."""
    typer.echo(json.dumps(_plain(document), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Return JSON types: a number that is none (a header may hold NaN) and anything else become text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def shown(value: Any) -> str:
    """Return a value for people, on one line; what a header holds must not steer the terminal."""
    from dicom_node.log import printable

    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "" if value is None else printable(str(value))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """Print rows as a table, or say that there are none.

    Parameters
    ----------
    empty
        What to say when there are no rows: with what to do next.
    """
    if not rows:
        typer.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=PIPE_WIDTH)).print(table)


def show_fields(fields: Mapping[str, Any]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        typer.echo(f"{name:<{width}}  {shown(value)}".rstrip())


def show_left_out(left_out: Mapping[str, int]) -> None:
    """Say on standard error which files brought no images, and why."""
    for reason, count in left_out.items():
        typer.echo(f"{count} {'file' if count == 1 else 'files'} left out: {reason}", err=True)
