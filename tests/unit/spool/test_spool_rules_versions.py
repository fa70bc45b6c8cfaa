"""Versions of the rules, and the facts that other rules are tried on."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node.domain.facts import Facts
from dicom_node.domain.series import Series, SeriesState
from dicom_node.errors import NotFound
from dicom_node.spool.durable import replace_text
from dicom_node.spool.ledger import Ledger

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    for number in range(4):
        uid = f"1.{number}"
        ledger.add_series(Series(uid, "1", f"folder-{uid}", SeriesState.RECEIVING, 0, 0, NOW, NOW))
    return ledger


def test_every_text_that_came_into_force_has_a_number_an_author_and_a_difference(ledger: Ledger) -> None:
    assert [ledger.rules.publish(text, author="eve", at=NOW) for text in ("a\nb\n", "a\nb\n", "a\nc\n", "a\nb\n")] == [
        1, None, 2, 3,
    ]  # fmt: skip
    first, second, third = ledger.rules.all()
    assert (second.number, second.published, second.author, second.text) == (2, NOW, "eve", "a\nc\n")
    assert second.difference(first).splitlines() == [
        "--- version 1",
        "+++ version 2",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "+c",
    ]
    assert first.digest == third.digest
    assert ledger.rules.get(3) == third


def test_a_version_that_is_not_there_is_told(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="no version 7 of the rules: `dicom-node rules history` shows"):
        ledger.rules.get(7)


def test_facts_come_back_as_they_were_newest_series_first(ledger: Ledger) -> None:
    facts = Facts({"ImageType": ("ORIGINAL", "PRIMARY"), "EchoTime": 2.5}, {"is_3d": True, "slices": 20})
    ledger.facts.keep("1.0", {"": Facts()}, NOW, series=9)
    ledger.facts.keep("1.1", {"EchoTime=30": facts, "EchoTime=80": Facts()}, NOW + timedelta(seconds=1), series=9)
    assert [(each.series_uid, each.stack) for each in ledger.facts.last()] == [
        ("1.1", "EchoTime=30"), ("1.1", "EchoTime=80"), ("1.0", ""),
    ]  # fmt: skip
    assert ledger.facts.last()[0].facts == facts
    assert {each.series_uid for each in ledger.facts.last(1)} == {"1.1"}


def test_a_number_that_json_does_not_know_is_a_missing_one(ledger: Ledger) -> None:
    ledger.facts.keep("1.0", {"": Facts({"EchoTime": math.nan, "PixelSpacing": (1.0, math.inf)})}, NOW, series=9)
    assert ledger.facts.last()[0].facts == Facts()


def test_a_later_revision_takes_the_place_of_the_earlier_one(ledger: Ledger) -> None:
    ledger.facts.keep("1.0", {"a": Facts(), "b": Facts()}, NOW, series=9)
    ledger.facts.keep("1.0", {"": Facts()}, NOW, series=9)
    assert [each.stack for each in ledger.facts.last()] == [""]


@pytest.mark.parametrize(("series", "left"), [(2, ["1.3", "1.2"]), (0, [])])
def test_what_lies_beyond_the_last_series_is_forgotten(ledger: Ledger, series: int, left: list[str]) -> None:
    for number in range(4):
        ledger.facts.keep(f"1.{number}", {"": Facts()}, NOW + timedelta(seconds=number), series=series)
    assert [each.series_uid for each in ledger.facts.last()] == left


def test_facts_are_forgotten_with_the_images(ledger: Ledger) -> None:
    ledger.facts.keep("1.0", {"": Facts()}, NOW, series=9)
    ledger.facts.keep("1.1", {"": Facts()}, NOW + timedelta(hours=2), series=9)
    assert ledger.facts.expire(NOW + timedelta(hours=1)) == 1
    assert [each.series_uid for each in ledger.facts.last()] == ["1.1"]


def test_a_text_is_replaced_whole_behind_its_link_with_its_permissions(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_text("old")
    real.chmod(0o644)
    link.symlink_to(real)
    replace_text(link, "new é")
    assert (link.is_symlink(), real.read_text("utf-8"), real.stat().st_mode & 0o777) == (True, "new é", 0o644)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "real.yaml"]
