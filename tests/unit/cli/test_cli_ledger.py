"""``series`` and ``jobs``: what a node did, for people and for scripts."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from dicom_node.domain.delivery import DeliveryState
from dicom_node.spool.instances import folder_name
from dicom_node.spool.ledger import Ledger

READING = (
    ("series", "list"),
    ("series", "show", "1.2"),
    ("jobs", "list"),
    ("jobs", "show", "x"),
    ("jobs", "retry", "x"),
    ("jobs", "retract", "x"),
)


def the(rows: list[dict[str, Any]], state: str) -> dict[str, Any]:
    (row,) = (row for row in rows if row["state"] == state)
    return row


def test_series_are_listed_with_state_and_why(run: Any, config: Any) -> None:
    rows = run("series", "list", "--json", *config).json
    assert [set(row) for row in rows] == [{"series_uid", "state", "reason", "instances", "revision"}] * 4
    assert [(row["state"], row["instances"], row["revision"]) for row in rows] == [
        ("ROUTED", 20, 1), ("IGNORED", 5, 1), ("ROUTED", 20, 1), ("HELD", 19, 1)
    ]  # fmt: skip
    assert the(rows, "IGNORED")["reason"] == "no rule matches: every T1: contrast equals T1, not missing"
    assert the(rows, "HELD")["reason"].startswith("a slice is missing")


def test_jobs_are_listed_with_what_the_interface_promises(run: Any, config: Any) -> None:
    rows = run("jobs", "list", "--json", *config).json
    assert [row["state"] for row in rows] == ["DELIVERED", "FAILED", "HELD"]
    assert set(rows[0]) == {
        "id", "series_uid", "rule", "model", "state", "reason", "attempts", "derived_series_uid", "times"
    }  # fmt: skip
    assert rows[0]["reason"] is None
    assert the(rows, "FAILED")["reason"] == "pacs: 1 of 20 instances were refused with 0xA900"
    assert datetime.fromisoformat(rows[0]["times"]["queued"]).tzinfo is not None


@pytest.mark.parametrize("noun", ["series", "jobs"])
def test_each_row_of_a_list_stays_on_its_line_in_a_pipe(run: Any, config: Any, noun: str) -> None:
    rows, lines = run(noun, "list", "--json", *config).json, run(noun, "list", *config).out.splitlines()
    assert len(lines) == 1 + len(rows)
    for row, line in zip(rows, lines[1:], strict=True):
        assert row["state"] in line
        assert (row["reason"] or "") in line


def test_an_instance_that_came_again_changed_shows_as_a_conflict(run: Any, config: Any) -> None:
    first = run("series", "list", "--json", *config).json[0]
    shown = run("series", "show", first["series_uid"], "--json", *config).json
    assert first.items() <= shown.items()
    (conflict,) = shown["conflicts"]
    assert set(conflict) == {"sop_instance_uid", "received"}
    assert datetime.fromisoformat(conflict["received"]).tzinfo is not None
    people = run("series", "show", first["series_uid"], *config).out
    assert f"came again with other content, set aside: {conflict['sop_instance_uid']}" in people


def test_a_series_is_shown_to_people_with_its_evidence_and_jobs(run: Any, config: Any) -> None:
    held = the(run("series", "list", "--json", *config).json, "HELD")
    lines = run("series", "show", held["series_uid"], *config).out.splitlines()
    assert f"reason         {held['reason']}" in lines
    assert "first_seen     2026-11-21 08:00:07 UTC" in lines
    assert any(line.startswith("evidence       nothing came for") for line in lines)
    assert any("every T1" in line and "HELD" in line for line in lines)


def test_a_job_is_shown_with_its_rule_as_it_was_and_its_deliveries(run: Any, config: Any) -> None:
    failed = the(run("jobs", "list", "--json", *config).json, "FAILED")
    shown = run("jobs", "show", failed["id"], "--json", *config).json
    assert failed.items() <= shown.items()
    assert shown["snapshot"]["rule"]["name"] == "every T1"
    (delivery,) = shown["deliveries"]
    assert (delivery["destination"], delivery["state"], delivery["attempts"]) == ("pacs", "REFUSED", 1)
    assert datetime.fromisoformat(delivery["next_attempt"]).tzinfo is not None
    assert len(list(Path(shown["files"]).glob("*.dcm"))) == 20
    people = run("jobs", "show", failed["id"], *config).out
    assert "failed                 2026-11-21 08:00:" in people
    assert "0xA900" in people.splitlines()[-1]


def test_a_failed_job_is_queued_again_and_its_deliveries_wait(run: Any, worked: Path, tmp_path: Path) -> None:
    shutil.copytree(worked, tmp_path, dirs_exist_ok=True)
    failed = the(run("jobs", "list", "--json").json, "FAILED")
    assert run("jobs", "retry", failed["id"]).out == f"job {failed['id']} is QUEUED: a running node takes it next\n"
    ledger = Ledger(f"sqlite:///{tmp_path / 'var' / 'ledger.sqlite'}")
    job, (delivery,) = ledger.job(failed["id"]), ledger.deliveries(failed["id"])
    ledger.close()
    assert (job.state, job.reason, job.attempts) == ("QUEUED", None, 0)
    assert job.derived_series_uid == failed["derived_series_uid"]
    assert delivery.state is DeliveryState.WAITING


def test_a_job_that_is_done_cannot_be_tried_again(run: Any, config: Any) -> None:
    delivered = the(run("jobs", "list", "--json", *config).json, "DELIVERED")
    assert run("jobs", "retry", delivered["id"], *config).refusal == (
        f"dicom-node: job {delivered['id']} is DELIVERED: only one that is HELD or FAILED can be tried again\n"
    )


@pytest.mark.parametrize("command", READING[1:2] + READING[3:])
def test_what_is_not_in_the_ledger_is_refused_with_where_to_look(run: Any, config: Any, command: Any) -> None:
    assert f"`dicom-node {command[0]} list` shows" in run(*command, *config).refusal


@pytest.mark.parametrize("command", READING)
def test_looking_where_no_node_has_run_says_so_and_leaves_nothing(run: Any, tmp_path: Path, command: Any) -> None:
    refusal = run(*command, *(("--json",) if command[1] in ("list", "show") else ())).refusal
    assert refusal.startswith(f"dicom-node: no node has run here: there is no ledger in {tmp_path / 'var'}; name")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_ledger_is_one_line(run: Any, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    assert "the ledger cannot be opened" in run("series", "list").refusal


def test_a_series_shows_who_sent_it_how_long_that_one_settles_and_jobs_by_revision(run: Any, config: Any) -> None:
    first = run("series", "list", "--json", *config).json[0]
    shown = run("series", "show", first["series_uid"], "--json", *config).json
    assert shown["senders"] == [
        {"calling_ae": "SCANNER", "settle_s": 30.0, "learned": True, "series": 0, "longest_pause_s": None}
    ]
    assert [job["revision"] for job in shown["jobs"]] == [1]
    people = run("series", "show", first["series_uid"], *config).out
    assert "sent by SCANNER: settles after 30 s, learned from 0 series" in people


def test_what_a_job_sent_is_taken_back_once(run: Any, worked: Path, tmp_path: Path) -> None:
    shutil.copytree(worked, tmp_path, dirs_exist_ok=True)
    jobs = run("jobs", "list", "--json").json
    delivered, held = the(jobs, "DELIVERED"), the(jobs, "HELD")
    said = f"job {delivered['id']} is RETRACTED: a running node sends a rejection note to pacs\n"
    assert run("jobs", "retract", delivered["id"], "--fault", "software").out == said
    assert run("jobs", "show", delivered["id"], "--json").json["reason"] == "retracted by hand: software failure"
    for job, state in ((delivered, "RETRACTED"), (held, "HELD")):
        refusal = run("jobs", "retract", job["id"]).refusal
        assert f"is {state}: there is nothing that was sent and is not taken back" in refusal


def test_a_series_is_exported_as_the_volume_that_another_reader_sees(run: Any, config: Any, tmp_path: Path) -> None:
    rows = run("series", "list", "--json", *config).json
    routed = the(rows[1:], "ROUTED")
    out = run("series", "export", routed["series_uid"], "--nifti", tmp_path / "out", *config).out
    (path,) = (tmp_path / "out").iterdir()
    assert out == f"{path}: 20 slices\n"
    folder = config[1].parent / "var" / "spool" / "series" / folder_name(routed["series_uid"])
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    other, ours = reader.Execute(), SimpleITK.ReadImage(str(path))
    assert ours.GetOrigin() == pytest.approx(other.TransformIndexToPhysicalPoint((0, 0, 19)), abs=1e-4)
    flipped = SimpleITK.GetArrayFromImage(other)[::-1]  # slices are counted from the head down here
    assert np.array_equal(SimpleITK.GetArrayFromImage(ours), flipped)
    assert "is there already" in run("series", "export", routed["series_uid"], "--nifti", tmp_path / "out", *config).err


def test_a_series_with_a_gap_is_not_exported(run: Any, config: Any, tmp_path: Path) -> None:
    held = the(run("series", "list", "--json", *config).json, "HELD")
    refused = run("series", "export", held["series_uid"], "--nifti", tmp_path / "out", *config)
    assert refused.status == 1
    assert "a slice is missing" in refused.err
    assert not (tmp_path / "out").exists()
