"""Windows: when jobs may begin, on the wall clock of a place; and rules with several outputs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.domain.window import DAYS, Window
from dicom_node.route.loader import snapshot
from dicom_node.route.schema import RulesFile

NIGHTS = Window(time(20), time(6), "Europe/Berlin", ("Fri",))


def test_a_window_around_midnight_ends_on_the_day_after_and_goes_by_the_clock_of_its_place() -> None:
    friday = datetime(2026, 11, 20, tzinfo=UTC)
    at = {hours: NIGHTS.is_open(friday + timedelta(hours=hours)) for hours in (4, 18.9, 19, 23.5, 28.9, 29, 44)}
    assert at == {4: False, 18.9: False, 19: True, 23.5: True, 28.9: True, 29: False, 44: False}


def test_summer_time_moves_it_by_an_hour_and_the_hour_that_comes_twice_counts_twice() -> None:
    early = Window(time(2), time(3), "Europe/Berlin")
    autumn = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    spring = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert [early.is_open(autumn + timedelta(hours=n)) for n in range(4)] == [False, True, True, False]
    assert not any(early.is_open(spring + timedelta(minutes=15 * n)) for n in range(12))


_WINDOWS = st.builds(
    Window,
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
    st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple),
)


@settings(deadline=None)
@given(_WINDOWS)
def test_what_a_window_writes_is_read_as_the_same(window: Window) -> None:
    assert Window.parse(str(window)) == window


@settings(deadline=None)
@given(st.times(), st.times(), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_a_time_lies_in_a_daily_window_or_in_the_one_that_fills_the_rest(start: time, end: time, at: datetime) -> None:
    if start != end:
        assert Window(start, end, "UTC").is_open(at) is not Window(end, start, "UTC").is_open(at)


@pytest.mark.parametrize("text", ["", "Mon 20:00-06:00", "nights"])
def test_text_that_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a window"):
        Window.parse(text)


RULE = "  - {name: MR, when: {Modality: MR}, run: {model: synth-ct}, send: [pacs], during: nights, priority: batch}\n"
NIGHT = "windows:\n  nights: {from: '20:00', until: '06:00', time_zone: Europe/Berlin, days: [Sun, Fri]}\n"


def test_a_job_keeps_the_window_of_its_rule(rules: Callable[[str], RulesFile]) -> None:
    loaded = rules(RULE + NIGHT)
    (rule,) = loaded.rules
    assert snapshot(rule, rule.run[0], loaded)["window"] == "Fri,Sun 20:00-06:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("during: nights", "during: night", "6: rules[0].during: no window of that name in this file; did you mean"),
        ("priority: batch", "priority: urgent", "6: rules[0].during: an urgent rule waits for no window"),
        ("Europe/Berlin", "Europe/Berlim", "8: windows.nights.time_zone: not a time zone; did you mean 'Europe/Ber"),
        (", time_zone: Europe/Berlin", "", "8: windows.nights.time_zone: is required"),
        ("'20:00'", "2000", "8: windows.nights.from: must be a time of day, in quotes, as '20:00'"),
        ("'20:00'", "'24:00'", "8: windows.nights.from: must be a time of day"),
        ("[Sun, Fri]", "[Sun, Sun]", "8: windows.nights.days: names a day twice"),
        ("[Sun, Fri]", "[Sonntag]", "8: windows.nights.days[0]: must be 'Mon', 'Tue'"),
        ("'20:00', until: '06:00', time_zone: Europe/Berlin, days: [Sun, Fri]",
         "'06:00', until: '06:00', time_zone: UTC", "8: windows.nights: is open all the time"),
        ("from:", "form:", "8: windows.nights.form: not a key that is known here; did you mean 'from'?"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_window_is_told_at_its_place(
    mistakes: Callable[[str], list[str]], old: str, new: str, mistake: str
) -> None:
    head = "version: 1\ndestinations:\n  pacs: {kind: folder, path: out}\n\nrules:\n"
    assert any(line.startswith(mistake) for line in mistakes(head + (RULE + NIGHT).replace(old, new)))


def test_a_rule_may_run_several_things(rules: Callable[[str], RulesFile]) -> None:
    several = "[{model: synth-ct}, {model: harmonize-nyul, target: siemens-3t}]"
    loaded = rules(RULE.replace("{model: synth-ct}", several) + NIGHT)
    (rule,) = loaded.rules
    assert [run.model for run in rule.run] == ["synth-ct", "harmonize-nyul"]
    assert len({run.identity for run in rule.run}) == 2
    kept = snapshot(rule, rule.run[1], loaded)["rule"]["run"]
    assert kept == {"model": "harmonize-nyul", "target": "siemens-3t", "output": "result"}


@pytest.mark.parametrize(
    ("runs", "mistake"),
    [
        ("[]", "rules[0].run: names nothing to run"),
        ("[{model: synth-ct}, {model: synth-ct}]", "rules[0].run: runs the same twice"),
        ("[{model: synth-ct}, {model: synth-cd}]", "rules[0].run[1].model: no model of that name"),
        ("[{model: synth-ct}, {modell: synth-ct}]", "rules[0].run[1].modell: not a key that is known here"),
        ("synth-ct", "rules[0].run: must be a list"),
    ],
)
def test_a_mistake_in_what_a_rule_runs_is_told_at_its_place(
    mistakes: Callable[[str], list[str]], runs: str, mistake: str
) -> None:
    head = "version: 1\ndestinations: {pacs: {kind: folder, path: out}}\nrules:\n"
    told = mistakes(head + f"  - {{name: MR, when: {{}}, run: {runs}, send: [pacs]}}\n")
    assert any(mistake in line for line in told), told
