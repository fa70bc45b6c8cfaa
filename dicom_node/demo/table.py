"""The table with which the demo ends: series -> rule -> model -> derived series or the reason, and seconds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from dicom_node.demo.outcome import STAGES, Kind, Outcome

STYLES = {Kind.DERIVED: "green", Kind.EXPLAINED: "yellow", Kind.FAILED: "red"}


def outcome_table(lines: Sequence[Outcome]) -> Table:
    """Return the table; text from headers is shown as it stands, without markup or control characters."""
    table = Table(box=SIMPLE, pad_edge=False, show_edge=False, expand=True, show_lines=True)
    table.add_column("Series", ratio=4, overflow="fold")
    table.add_column("Rule, model", ratio=4, overflow="fold")
    table.add_column("Derived series, or the reason", ratio=7, overflow="fold")
    for stage in STAGES:
        table.add_column(f"{stage}\ns", justify="right", no_wrap=True)
    for line in lines:
        taken = line.seconds or {}
        table.add_row(
            shown(series_title(line)),
            shown("\n".join(filter(None, (line.rule, line.model)))),
            shown(line.text, STYLES[line.kind]),
            *(f"{taken[stage]:.1f}" if stage in taken else "" for stage in STAGES),
        )
    return table


def series_title(line: Outcome) -> str:
    """Return how a person calls the series: description, modality and vendor."""
    source = line.source
    return f"{source.description or '(no description)'}\n{' '.join(filter(None, (source.modality, source.vendor)))}"


def shown(text: str, style: str = "") -> Text:
    """Return text from outside so that a terminal takes none of it for a command."""
    return Text(
        "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text), style
    )
