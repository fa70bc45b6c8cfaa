"""The tables of docs/reference/routing-rules.md, made from the code: ``python -m dicom_node.route.reference PAGE``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from dicom_node.domain.facts import DERIVED_FACTS
from dicom_node.route.keys import Kind, key_of
from dicom_node.route.operators import OPERATORS


def page_with_tables(page: str) -> str:
    """Return the page with each table between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->`` made anew.

    Raises
    ------
    KeyError
        When the page has markers of a table that does not exist.
    """
    return re.sub(
        r"(<!-- (\w+):begin -->\n).*?(<!-- \2:end -->)",
        lambda found: f"{found[1]}{_TABLES[found[2]]()}{found[3]}",
        page,
        flags=re.DOTALL,
    )


def operators_table() -> str:
    """Return the operators as a Markdown table."""
    rows = (
        (f"`{name}`", row.meaning, row.operand, _kinds(row.kinds), f"`{row.example}`")
        for name, row in OPERATORS.items()
    )
    return _table(("Operator", "It is met when", "Takes", "Asked of", "Example"), rows)


def facts_table() -> str:
    """Return the derived facts as a Markdown table."""
    rows = ((f"`{name}`", key_of(name).kind, meaning) for name, (_, meaning) in DERIVED_FACTS.items())
    return _table(("Fact", "Is", "What it says"), rows)


_TABLES: dict[str, Callable[[], str]] = {"operators": operators_table, "facts": facts_table}


def _kinds(kinds: frozenset[Kind]) -> str:
    if kinds == frozenset(Kind):
        return "everything"
    return "text" if Kind.TEXT in kinds else "numbers"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(page_with_tables(target.read_text("utf-8")), "utf-8")
