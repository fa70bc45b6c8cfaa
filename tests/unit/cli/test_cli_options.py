"""How results are shown: JSON that any reader takes, text that no terminal obeys."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from dicom_node.cli.options import show_fields, show_json, show_left_out, show_table, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.5, "0.5"),
        ("Müller\x1b[2J\r\nnext", "Müller [2J  next"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02 03:04:05 UTC"),
    ],
)
def test_a_value_for_people_is_one_printable_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_json_is_ascii_and_holds_no_number_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"a": float("nan"), "b": [float("inf"), 1.5, True, None], "c": "ü\x9b", "d": datetime(2026, 1, 2)}
    show_json(document)
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text) == {"a": "nan", "b": ["inf", 1.5, True, None], "c": "ü\x9b", "d": "2026-01-02 00:00:00"}


def test_a_table_says_what_to_do_when_it_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("a", "b"), [], empty="Nothing yet: do this.")
    assert capsys.readouterr().out == "Nothing yet: do this.\n"


def test_a_long_row_stays_on_its_line_and_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("a", "b"), [["[bold]x[/bold]", "y" * 5000]], empty="")
    _, row = capsys.readouterr().out.splitlines()
    assert row.startswith("[bold]x[/bold]")
    assert "y" * 5000 in row


def test_fields_stand_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields({"a": 1, "long": None})
    assert capsys.readouterr().out == "a     1\nlong\n"


def test_files_left_out_are_counted_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_left_out({"no DICOM": 1, "cut short": 3})
    assert capsys.readouterr() == ("", "1 file left out: no DICOM\n3 files left out: cut short\n")
