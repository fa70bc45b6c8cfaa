"""The page of faults names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "reliability.md"
OF_THE_RECEIVER = {*range(1, 33), *range(39, 43), 68}
"""The faults of networks, PDUs, data sets, disks, and of the names that peers give themselves."""


def rows() -> dict[int, str]:
    """Return fault number -> its row; a row says ``1.``, ``20, 22.`` or ``29 to 32.``."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\| (\d+)((?: to \d+|, \d+)*)\. ", line):
            first, more = int(match[1]), match[2]
            last = int(more.removeprefix(" to ")) if more.startswith(" to ") else first
            for number in (*range(first, last + 1), *map(int, re.findall(r", (\d+)", more))):
                assert number not in found, f"fault {number} has two rows"
                found[number] = line
    return found


def test_every_fault_of_the_receiver_has_a_row_that_names_its_test() -> None:
    there = rows()
    assert OF_THE_RECEIVER - there.keys() == set()
    assert [number for number in sorted(OF_THE_RECEIVER) if not re.search(r"`test_\w+`", there[number])] == []


def test_a_test_that_bears_the_number_of_a_fault_is_named_in_its_row() -> None:
    there = rows()
    numbered = {
        (int(number), name)
        for path in (ROOT / "tests").rglob("test_*.py")
        for name, number in re.findall(r"^def (test_fault_(\d+)_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(numbered) > 20
    assert [name for number, name in sorted(numbered) if f"`{name}`" not in there.get(number, "")] == []


def test_every_test_that_the_page_of_faults_names_is_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 20
    assert named <= there
