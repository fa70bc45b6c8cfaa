"""The conformance statement says what the code does."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import MRImageStorage

FOLDER = Path(__file__).parents[2] / "docs" / "conformance"
STATEMENT = (FOLDER / "statement.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generated() -> Callable[[str], str]:
    statement: Callable[[str], str] = runpy.run_path(str(FOLDER / "generate.py"))["statement"]
    return statement


def test_the_tables_of_the_statement_are_current(generated: Callable[[str], str]) -> None:
    assert generated(STATEMENT) == STATEMENT, "run: python docs/conformance/generate.py"


def test_a_table_that_was_changed_by_hand_is_made_anew(generated: Callable[[str], str]) -> None:
    assert f"| `{MRImageStorage}` |" in STATEMENT
    assert generated(STATEMENT.replace(f"`{MRImageStorage}`", "`1.2.3`")) == STATEMENT


def test_a_statement_without_a_marker_is_not_written(generated: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="no markers for limits"):
        generated(STATEMENT.replace("<!-- generated: limits -->", ""))
