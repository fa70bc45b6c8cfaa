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
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, expand=True, show_lines=True)
    table.add_column("Series", ratio=3, min_width=16, overflow="fold")
    table.add_column("Rule → model → derived series, or the reason", ratio=7, overflow="fold")
    for stage in STAGES:
        table.add_column(f"{stage}\ns", justify="right", no_wrap=True)
    for line in lines:
        taken = line.seconds or {}
        path = " → ".join(filter(None, (line.rule, line.model)))
        table.add_row(
            shown(f"{line.source.name}\n{line.source.modality} {line.source.vendor}"),
            shown(f"{path}\n" if path else "") + shown(line.text, STYLES[line.kind]),
            *(f"{taken[stage]:.1f}" if stage in taken else "" for stage in STAGES),
        )
    return table


def shown(text: str, style: str = "") -> Text:
    """Return text from outside so that a terminal takes none of it for a command."""
    return Text(
        "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text), style
    )
