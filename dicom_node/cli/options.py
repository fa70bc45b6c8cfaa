"""Options that several commands share, and how their results are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dicom_node.settings import Settings

Config = Annotated[
    Path | None,
    typer.Option("--config", help="The node's settings. Without it: ./node.yaml, and DICOM_NODE__… variables."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")]


def settings_of(config: Path | None) -> Settings:
    """Read the settings; see `dicom_node.settings.load_settings`."""
    from dicom_node.log import silence_libraries
    from dicom_node.settings import load_settings

    silence_libraries()
    return load_settings(config)


def show_json(document: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


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
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    # in a pipe there is no width to keep to: a row stays on its line
    console = Console()
    (console if console.is_terminal else Console(width=400)).print(table)


def show_fields(fields: Mapping[str, Any]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        typer.echo(f"{name:<{width}}  {'' if value is None else value}")


def show_left_out(left_out: Mapping[str, int]) -> None:
    """Say on standard error which files brought no images, and why."""
    for reason, count in left_out.items():
        typer.echo(f"{count} {'file' if count == 1 else 'files'} left out: {reason}", err=True)
