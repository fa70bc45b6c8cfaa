"""What the demo makes of the ledger, the rules, its folder and the terminal."""

from __future__ import annotations

import io
import subprocess
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from ruamel.yaml import YAML

from dicom_node.demo.follow import Progress, follow
from dicom_node.demo.narrator import Narrator
from dicom_node.demo.node import configure, redirect_rules
from dicom_node.demo.orthanc import enter_namespace
from dicom_node.demo.outcome import Kind, Outcome, Proof, outcomes, seconds
from dicom_node.demo.output import prepare_output
from dicom_node.demo.run import main
from dicom_node.demo.sending import Sent
from dicom_node.demo.sources import SourceSeries
from dicom_node.demo.table import outcome_table
from dicom_node.domain.job import Job, JobState
from dicom_node.domain.series import Series, SeriesState
from dicom_node.errors import RefusedToStart
from dicom_node.settings import load_settings

BEGIN = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SOURCE = SourceSeries(
    "1.2.1", "1.2", "AX T1", "GE MEDICAL SYSTEMS", "MR", {"1.2.1.1": Path("a"), "1.2.1.2": Path("b")}, 2
)


def series(state: SeriesState, *, instances: int = 2, reason: str | None = None) -> Series:
    return Series("1.2.1", "1.2", "folder", state, 1, instances, first_seen=BEGIN, changed=BEGIN, reason=reason)


def job(state: JobState, *, reason: str | None = None) -> Job:
    return Job(
        id="0123456789ab", series_uid="1.2.1", revision=1, stack="", rule="T1 to Siemens", snapshot={},
        model="harmonize-nyul", model_digest="0" * 64, target="siemens-3t", derived_series_uid="2.25.12345678",
        derived_series_number=1001, derived_at=BEGIN, state=state, reason=reason,
        times={"queued": BEGIN + timedelta(seconds=1.5), "running": BEGIN + timedelta(seconds=2)},
    )  # fmt: skip


def progress(one: Series | None, *jobs: Job) -> Progress:
    return Progress({} if one is None else {one.series_uid: one}, jobs, {"1.2.1": 2})


# --- following the ledger


@pytest.mark.parametrize(
    ("seen", "is_over"),
    [
        (progress(None), False),
        (progress(series(SeriesState.RECEIVING)), False),
        (progress(series(SeriesState.COMPLETE)), False),
        (progress(series(SeriesState.IGNORED)), True),
        (progress(series(SeriesState.IGNORED, instances=1)), False),
        (progress(series(SeriesState.ROUTED), job(JobState.RUNNING)), False),
        (progress(series(SeriesState.ROUTED), job(JobState.DELIVERING)), False),
        (progress(series(SeriesState.ROUTED), job(JobState.DELIVERED)), True),
        (progress(series(SeriesState.ROUTED), job(JobState.FAILED)), True),
        (progress(series(SeriesState.ROUTED), job(JobState.HELD)), True),
    ],
)
def test_all_is_over_when_every_series_is_settled_and_every_job_ended(seen: Progress, is_over: bool) -> None:
    assert seen.is_over is is_over


class Script:
    """A ledger that is in the next state each time it is read, and then stays in the last."""

    def __init__(self, *states: Progress) -> None:
        self._states = list(states)

    def series(self) -> list[Series]:
        return list(self._states[0].series.values())

    def jobs(self) -> list[Job]:
        state = self._states[0] if len(self._states) == 1 else self._states.pop(0)
        return list(state.jobs)


def test_following_ends_with_the_last_job_and_tells_every_change_once(clock) -> None:
    received, routed = series(SeriesState.RECEIVING), series(SeriesState.ROUTED)
    ledger = Script(
        progress(received), progress(received), progress(routed, job(JobState.RUNNING)),
        progress(routed, job(JobState.DELIVERED)),
    )  # fmt: skip
    told: list[Progress] = []
    last = follow(
        ledger, {"1.2.1": 2}, quiet_limit_s=60, tell=told.append, monotonic=clock.monotonic,
        sleep=lambda pause: clock.advance(seconds=pause),
    )  # fmt: skip
    assert last.is_over
    assert [len(each.jobs) for each in told] == [0, 1, 1]


def test_following_gives_up_when_nothing_changes_for_too_long(clock) -> None:
    begun = clock.monotonic()
    last = follow(
        Script(progress(series(SeriesState.RECEIVING))), {"1.2.1": 2}, quiet_limit_s=60, tell=lambda _: None,
        monotonic=clock.monotonic, sleep=lambda pause: clock.advance(seconds=pause),
    )  # fmt: skip
    assert last.waiting_series == ["1.2.1"]
    assert 60 < clock.monotonic() - begun < 61


def test_following_ends_at_once_when_the_node_is_gone(clock) -> None:
    ledger = Script(progress(series(SeriesState.RECEIVING)))
    last = follow(ledger, {"1.2.1": 2}, quiet_limit_s=60, tell=lambda _: None, may_go_on=lambda: False)
    assert not last.is_over


# --- what became of each series

DELIVERED = job(JobState.DELIVERED)
PROOF = Proof("RESEARCH harmonization siemens-3t AX T1", (Path("1"), Path("2")))


@pytest.mark.parametrize(
    ("end", "proof", "kind", "text"),
    [
        (progress(series(SeriesState.ROUTED), DELIVERED), PROOF, Kind.DERIVED, "RESEARCH harmonization"),
        (progress(series(SeriesState.ROUTED), DELIVERED), Proof(problem="it is not there"), Kind.FAILED, "not there"),
        (progress(series(SeriesState.ROUTED), job(JobState.HELD, reason="2 mm")), None, Kind.EXPLAINED, "HELD: 2 mm"),
        (progress(series(SeriesState.ROUTED), job(JobState.HELD)), None, Kind.FAILED, "no reason"),
        (progress(series(SeriesState.ROUTED), job(JobState.FAILED, reason="broke")), None, Kind.FAILED, "broke"),
        (progress(series(SeriesState.ROUTED), job(JobState.RUNNING)), None, Kind.FAILED, "RUNNING"),
        (progress(series(SeriesState.IGNORED, reason="no rule")), None, Kind.EXPLAINED, "IGNORED: no rule"),
        (progress(series(SeriesState.IGNORED)), None, Kind.FAILED, "no reason"),
        (progress(series(SeriesState.RECEIVING)), None, Kind.FAILED, "RECEIVING"),
        (progress(None), None, Kind.FAILED, "did not receive"),
    ],
)
def test_every_series_has_a_line_that_is_derived_explained_or_failed(
    end: Progress, proof: Proof | None, kind: Kind, text: str
) -> None:
    (line,) = outcomes([SOURCE], end, {} if proof is None else {DELIVERED.id: proof}, {})
    assert line.kind is kind
    assert text in line.text


def test_a_job_that_a_later_revision_superseded_has_no_line_of_its_own() -> None:
    superseded = replace(job(JobState.SUPERSEDED), id="ba9876543210")
    ended = progress(series(SeriesState.ROUTED), superseded, DELIVERED)
    (line,) = outcomes([SOURCE], ended, {DELIVERED.id: PROOF}, {})
    assert line.kind is Kind.DERIVED


def test_stacks_that_one_rule_held_for_one_reason_share_a_line() -> None:
    held = [replace(job(JobState.HELD, reason="DIFFUSION"), id=f"{n:012}", stack=f"b={n}") for n in range(13)]
    (line,) = outcomes([SOURCE], progress(series(SeriesState.HELD), *held), {}, {})
    assert line.text == "13 stacks, the first: b=0: HELD: DIFFUSION"


def test_a_series_of_which_the_node_took_nothing_has_its_reason() -> None:
    (line,) = outcomes([SOURCE], progress(None), {}, {"1.2.1": "status C000"})
    assert (line.kind, line.text) == (Kind.EXPLAINED, "REFUSED: status C000")


def test_seconds_are_given_for_the_stages_that_were_reached() -> None:
    assert seconds(series(SeriesState.ROUTED), DELIVERED) == {"collect": 1.5, "queue": 0.5}


# --- what the node answered


def test_an_instance_with_a_warning_counts_as_taken() -> None:
    sent = Sent({Path("a"): 0x0000, Path("b"): 0xB000})
    assert (sent.accepted(SOURCE), sent.why_nothing(SOURCE), sent.refusals) == (2, None, {})


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({Path("a"): 0xC000, Path("b"): 0xC000}, "C000 Error: cannot understand"),
        ({Path("a"): None, Path("b"): 0x0122}, "0122 Refused: SOP class not supported; no answer"),
        ({}, "file meta information"),
    ],
)
def test_a_series_that_the_node_does_not_take_has_its_reason(answers: dict[Path, int | None], why: str) -> None:
    assert why in (Sent(answers).why_nothing(SOURCE) or "")


# --- the terminal


@pytest.fixture
def pipe() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=100, force_terminal=False, highlight=False), text


def test_the_table_fits_100_columns_and_keeps_text_from_headers_harmless(pipe: tuple[Console, io.StringIO]) -> None:
    console, text = pipe
    hostile = replace_description("[bold]T1[/bold] \x1b[2J")
    lines = [Outcome(hostile, Kind.EXPLAINED, "IGNORED: " + "no rule wants it; " * 20, seconds={"collect": 1.25})]
    console.print(outcome_table(lines))
    assert max(map(len, text.getvalue().splitlines())) <= 100
    assert "[bold]T1" in text.getvalue()
    assert "\x1b" not in text.getvalue()


def replace_description(description: str) -> SourceSeries:
    return SourceSeries("1.2.1", "1.2", description, "GE", "MR")


def test_in_a_pipe_a_step_is_one_line_and_nothing_spins(pipe: tuple[Console, io.StringIO], clock) -> None:
    console, text = pipe
    narrator = Narrator(console, clock.monotonic)
    clock.advance(seconds=2.5)
    narrator.step("sending")
    with narrator.waiting("1 of 2 series") as change:
        change("2 of 2 series")
    narrator.note("a long path stays whole: " + "x" * 120)
    assert text.getvalue().splitlines() == [
        "   2.5 s  sending",
        "          a long path stays whole: " + "x" * 120,
    ]


# --- files

RULES = """\
version: 1
destinations:
  # the hospital's own
  pacs: {kind: dicom, host: pacs.example.org, port: 104, ae_title: ARCHIVE}
  tps: {kind: folder, path: /planning}
rules: []  # none yet
"""


def test_every_destination_becomes_the_demos_pacs_so_that_nothing_leaves_the_machine(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    pacs = {"kind": "dicom", "host": "127.0.0.1", "port": 4242, "ae_title": "PACS"}
    redirect_rules(tmp_path / "rules.yaml", tmp_path / "written.yaml", pacs)
    written = (tmp_path / "written.yaml").read_text(encoding="utf-8")
    assert YAML(typ="safe").load(written)["destinations"] == {"pacs": pacs, "tps": pacs}
    assert "# none yet" in written


def test_rules_with_a_mistake_are_refused_before_anything_starts(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    (tmp_path / "rules.yaml").write_text("version: 1\nrules: []\n", encoding="utf-8")
    output = tmp_path / "out"
    with warnings.catch_warnings():  # what the demo sets for its own process
        assert main(["--rules", str(tmp_path / "rules.yaml"), "--output", str(output)]) == 1
    assert "rules.yaml: destinations" in capsys.readouterr().err
    assert not output.exists()


def test_the_node_takes_the_configuration_that_the_demo_writes(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "out").mkdir()
    made = configure(tmp_path / "out", tmp_path / "rules.yaml", pacs_ae_title="PACS", pacs_port=4242)
    settings = load_settings(made.node_yaml)
    assert (settings.ae_title, settings.listen.port) == (made.ae_title, made.port)
    assert (settings.rules, settings.data_dir) == (made.rules, made.data_dir)
    assert settings.completeness.silence_s < 10


def test_a_second_demo_takes_the_place_of_the_first(tmp_path: Path) -> None:
    first = prepare_output(tmp_path / "demo-output")
    (first / "old").touch()
    assert not (prepare_output(tmp_path / "demo-output") / "old").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(RefusedToStart, match="not the demo's"):
        prepare_output(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(("output", "theirs"), [("study", "study"), ("study/out", "study"), ("out", "out/study")])
def test_the_users_own_study_is_never_in_the_way(tmp_path: Path, output: str, theirs: str) -> None:
    with pytest.raises(RefusedToStart, match="must not lie in each other"):
        prepare_output(tmp_path / output, keep_out_of=tmp_path / theirs)


# --- Orthanc


def test_without_orthanc_the_demo_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool: None if tool == "Orthanc" else f"/usr/bin/{tool}")
    with pytest.raises(RefusedToStart, match=r"needs Orthanc: .*apt-get install orthanc"):
        enter_namespace([])


def test_where_no_namespace_is_allowed_the_demo_says_so(monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr("subprocess.run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    with pytest.raises(RefusedToStart, match="not allowed here"):
        enter_namespace([])
