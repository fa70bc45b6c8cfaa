"""The tables with which the demo ends: what became of each series, and how near to the truth it came."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from dicom_node.demo.outcome import STAGES, Kind, Outcome

STYLES = {Kind.DERIVED: "green", Kind.EXPLAINED: "yellow", Kind.FAILED: "red"}


def outcome_table(lines: Sequence[Outcome]) -> Table:
    """Return series -> rule -> model -> derived series or the reason, and seconds.

    Text from headers is shown as it stands, without markup or control characters.
    """
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


def truth_table(lines: Sequence[Outcome]) -> Table:
    """Return a row for each series that was compared with the truth: before -> after, and what that means."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, expand=True)
    table.add_column("Against the truth", ratio=5, overflow="fold")
    table.add_column("PSNR\ndB", justify="right", no_wrap=True)
    table.add_column("difference\n% of white matter", justify="right", no_wrap=True)
    table.add_column("edges\nkept", justify="right", no_wrap=True)
    table.add_column("", ratio=4, overflow="fold")
    for line in lines:
        numbers = line.against_truth
        if numbers is not None:
            before, after = numbers.before, numbers.after
            table.add_row(
                shown(f"{line.source.name} → {numbers.scanner}"),
                f"{before.psnr_db:.1f} → {after.psnr_db:.1f}",
                f"{before.difference_percent:.1f} → {after.difference_percent:.1f}",
                f"{numbers.edges:.3f}",
                Text(numbers.verdict, "green" if numbers.is_nearer else "red"),
            )
    return table


def shown(text: str, style: str = "") -> Text:
    """Return text from outside so that a terminal takes none of it for a command."""
    return Text(
        "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text), style
    )
