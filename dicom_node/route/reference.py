"""The tables of docs/reference/routing-rules.md, made from the code: ``python -m dicom_node.route.reference PAGE``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from dicom_node.domain.facts import DERIVED_FACTS
from dicom_node.route.keys import KIND_OF_VR, Kind, key_of
from dicom_node.route.operators import OPERATORS
from dicom_node.route.units import ELEMENT_UNITS, UNITS


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
    rows = (
        (f"`{name}`", key_of(name).kind, fact.meaning, fact.computed, ", ".join(f"`{each}`" for each in fact.values))
        for name, fact in DERIVED_FACTS.items()
    )
    return _table(("Fact", "Is", "What it says", "How it is computed", "All that it can be"), rows)


def kinds_table() -> str:
    """Return how the values of each value representation are compared, as a Markdown table."""
    vrs = {kind: [vr for vr, each in KIND_OF_VR.items() if each is kind] for kind in KIND_OF_VR.values()}
    rows = (
        (", ".join(names), kind, ", ".join(f"`{name}`" for name, row in OPERATORS.items() if kind in row.kinds))
        for kind, names in vrs.items()
    )
    return _table(("VR", "Is", "Takes"), rows)


def units_table() -> str:
    """Return the elements whose unit is known, as a Markdown table."""
    by_unit: dict[str, list[str]] = {}
    facts = {name: fact.unit for name, fact in DERIVED_FACTS.items() if fact.unit}
    for key, unit in (facts | ELEMENT_UNITS).items():
        by_unit.setdefault(unit, []).append(f"`{key}`")
    rows = (
        (unit, ", ".join(each for each in UNITS if UNITS[each][0] == UNITS[unit][0]), ", ".join(keys))
        for unit, keys in by_unit.items()
    )
    return _table(("The header's unit", "A rule may write", "Of"), rows)


_TABLES: dict[str, Callable[[], str]] = {
    "operators": operators_table, "facts": facts_table, "kinds": kinds_table, "units": units_table,
}  # fmt: skip


def _kinds(kinds: frozenset[Kind]) -> str:
    if kinds == frozenset(Kind):
        return "everything"
    if Kind.NUMBER in kinds:
        return "numbers, dates, times, ages"
    return "text, dates, times, ages" if Kind.DATE in kinds else "text"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(page_with_tables(target.read_text("utf-8")), "utf-8")
