"""A short week of benchmarks/completeness.py: what docs/explanation/completeness.md promises, in a hundredth of it."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def week() -> Callable[..., list[object]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return runpy.run_path(str(BENCHMARKS / "completeness.py"))  # type: ignore[return-value]  # its names


def test_steady_senders_are_quick_once_they_are_known_and_nobody_is_too_early(week) -> None:  # type: ignore[no-untyped-def]
    sent = week["week"](72, seed=3)
    known = week["by_evidence"](sent, least_s=1, silence_s=30)[1]
    closings, _ = week["by_evidence"](sent, least_s=1, silence_s=30, book=known)
    assert not any(one.early for one in closings)
    assert max(one.latency_s for one in closings if one.kind == "steady") <= 3
    assert any(one.early for one in week["by_silence"](sent, 10))
    assert not any(one.early for one in week["by_silence"](sent, 60))


def test_the_page_holds_the_table_as_it_was_printed(week) -> None:  # type: ignore[no-untyped-def]
    page = week["PAGE"].read_text(encoding="utf-8")
    table = page.partition(week["BEGIN"])[2].partition(week["END"])[0].strip().splitlines()
    assert table[0] == "| Waits for | Senders | Series | p50 | p95 | Too early |"
    assert f"| evidence | **all** | {week['SERIES']} |" in "\n".join(table)
    assert week["PLOT"].is_file()
