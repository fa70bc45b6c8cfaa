"""The node as an admin meets it: it starts or says why not, answers for its health, drains, and keeps quiet."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from made_series import a_few
from node_process import NODE, NodeProcess
from scripted_pacs import running_pacs
from until import until

pytestmark = pytest.mark.network

CANARY = "CANARY^TWEETY"


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dicom_node", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_patients_name_is_in_no_log_whatever_becomes_of_the_series(tmp_path: Path) -> None:
    with running_pacs(0x0000, 0xC000) as pacs, NodeProcess(tmp_path / "node", pacs.port) as node:
        node.send(a_few(patient_name=CANARY))
        until(lambda: node.states() == ["FAILED"], limit_s=60)  # the PACS refused one instance
        held = a_few(patient_name=CANARY)
        node.send(held[:10] + held[12:])
        until(lambda: "HELD" in node.states(), limit_s=60)
        broken = a_few(patient_name=CANARY)
        for ds in broken:
            ds.PixelData = ds.PixelData[:100]
        node.send(broken)
        until(lambda: len(json.loads(command(node.folder, "series", "list", "--json").stdout)) == 3)
        metrics = node.get("/metrics")[1]
    text = node.log.read_text()
    assert '"event": "association_accepted"' in text  # it did log
    for word in (
        "CANARY",
        "TWEETY",
        "PHANTOM-1",
        held[0].SeriesInstanceUID,
        held[0].SOPInstanceUID,
        held[0].StudyInstanceUID,
    ):
        assert word not in text
        assert word not in metrics


def test_health_readiness_and_metrics_are_answered(tmp_path: Path) -> None:
    with running_pacs() as pacs, NodeProcess(tmp_path / "node", pacs.port) as node:
        assert node.get("/healthz")[0] == 200
        assert json.loads(node.get("/readyz")[1]) == {"status": "ready", "reasons": []}
        node.send(a_few())
        until(lambda: node.states() == ["DELIVERED"], limit_s=60)
        metrics = node.get("/metrics")[1]
        assert 'dicom_node_jobs{state="DELIVERED"} 1.0' in metrics
        assert "dicom_node_instances_new_total 20.0" in metrics
        good = (node.folder / "rules.yaml").read_text()
        (node.folder / "rules.yaml").write_text("version: 1\nrules: {")
        node.process.send_signal(signal.SIGHUP)
        until(lambda: node.get("/readyz")[0] == 503)
        assert "rules.yaml" in node.get("/readyz")[1]
        (node.folder / "rules.yaml").write_text(good)  # without a signal
        until(lambda: node.get("/readyz")[0] == 200)


def test_sigterm_ends_it_with_exit_status_0_and_what_waits_is_done_after_the_next_start(tmp_path: Path) -> None:
    with running_pacs() as pacs:
        node = NodeProcess(tmp_path / "node", 9)  # nothing listens there
        with node:
            node.send(a_few())
            until(lambda: node.states() == ["DELIVERING"], limit_s=60)
        assert node.process.returncode == 0
        rules = node.folder / "rules.yaml"
        rules.write_text(rules.read_text().replace("port: 9,", f"port: {pacs.port},"))
        with node:  # the job keeps the destination that it was made with: an admin retries it, or brings the PACS back
            assert node.states() == ["DELIVERING"]


def test_two_nodes_never_work_on_one_data_folder(tmp_path: Path) -> None:
    with running_pacs() as pacs, NodeProcess(tmp_path / "node", pacs.port) as node:
        second = command(node.folder, "serve")
        assert second.returncode == 1
        assert "another node runs" in second.stderr
        assert second.stderr.count("\n") == 1


def test_a_port_that_is_taken_keeps_the_node_from_starting_before_it_has_begun_any_work(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "node", 4242)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (node.folder / "node.yaml").write_text(
            NODE.format(more="").replace("listen: {port: 0}", f"listen: {{port: {port}}}")
        )
        refused = command(node.folder, "serve")
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr.splitlines()[-1]
    assert "node_started" not in refused.stderr


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("node.yaml", "listen: {prot: 1}\n", "node.yaml:1: listen.prot: "),
        ("node.yaml", "ae_title: [\n", "node.yaml:"),
        ("rules.yaml", "version: 1\ndestinations: {}\nrules:\n  - nam: x\n", "rules.yaml:4: rules[0]."),
        ("rules.yaml", None, "rules.yaml: cannot be read"),
    ],
)
def test_a_broken_file_keeps_the_node_from_starting_with_one_line_that_names_the_place(
    tmp_path: Path, file: str, content: str | None, expected: str
) -> None:
    node = NodeProcess(tmp_path / "node", 4242)
    (node.folder / file).unlink()
    if content is not None:
        (node.folder / file).write_text(content)
    refused = command(node.folder, "serve")
    assert refused.returncode == 1
    assert expected in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_receiver_and_engine_may_be_processes_of_their_own(tmp_path: Path) -> None:
    with running_pacs() as pacs, ExitStack() as stack:
        node = NodeProcess(tmp_path / "node", pacs.port)
        engine = subprocess.Popen(
            [sys.executable, "-m", "dicom_node", "serve", "--role", "engine"],
            cwd=node.folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            log = stack.enter_context(node.log.open("wb"))
            receiver = subprocess.Popen(
                [sys.executable, "-m", "dicom_node", "serve", "--role", "receiver"],
                cwd=node.folder, stdin=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
            try:
                until(lambda: node.ports("dicom"), limit_s=60)
                node.send(a_few())
                until(lambda: node.states() == ["DELIVERED"], limit_s=60)
            finally:
                receiver.terminate()
                receiver.wait(timeout=30)
        finally:
            engine.terminate()
            engine.wait(timeout=30)
    assert len(pacs.received) == 20
