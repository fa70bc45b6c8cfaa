"""The page of faults names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "reliability.md").read_text(encoding="utf-8")
THERE = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_every_test_that_the_page_of_faults_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 20
    assert named <= THERE


def test_every_test_that_bears_the_number_of_a_fault_stands_in_its_row() -> None:
    rows = [(re.match(r"\| ([0-9, to]+)\. ", line), line) for line in PAGE.splitlines()]
    listed = {
        (number, name)
        for numbers, line in rows
        if numbers is not None
        for number in _numbers(numbers[1])
        for name in re.findall(r"`(test_\w+)`", line)
    }
    numbered = {(int(number[1]), name) for name in THERE if (number := re.match(r"test_fault_(\d+)_", name))}
    assert len(numbered) > 20
    assert numbered <= listed


def _numbers(text: str) -> set[int]:
    """Read ``16 to 18`` and ``20, 22``."""
    first, *last = map(int, re.findall(r"\d+", text))
    return set(range(first, last[0] + 1)) if "to" in text else {first, *last}
