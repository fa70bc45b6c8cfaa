"""``send`` and ``echo``: what they say of an answer; how they speak DICOM is tested with the destination."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from dicom_files import write_dicom
from made_series import a_few

from dicom_node.deliver import dicom
from dicom_node.domain.ports import DeliveryReport
from dicom_node.errors import DeliveryDeferred

ADDRESS = "PACS@127.0.0.1:4242"


class Pacs:
    """Stands for a `DicomDestination`."""

    report = DeliveryReport(2)
    asked: tuple[str, str, int, str]
    paths: Sequence[Path] = ()

    def __init__(self, settings: Any, calling_ae: str) -> None:
        Pacs.asked = (settings.ae_title, settings.host, settings.port, calling_ae)

    def echo(self) -> None:
        if Pacs.asked[2] == 1:
            raise DeliveryDeferred("connection refused by 127.0.0.1:1: is the PACS running?")

    def send(self, paths: Sequence[Path]) -> DeliveryReport:
        Pacs.paths = paths
        return self.report


@pytest.fixture
def pacs(monkeypatch: pytest.MonkeyPatch) -> type[Pacs]:
    monkeypatch.setattr(dicom, "DicomDestination", Pacs)
    return Pacs


def test_echo_asks_under_our_own_title(run: Any, pacs: type[Pacs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE__AE_TITLE", "OURS")
    assert run("echo", ADDRESS).out == f"{ADDRESS} answers\n"
    assert pacs.asked == ("PACS", "127.0.0.1", 4242, "OURS")


@pytest.mark.usefixtures("pacs")
def test_an_address_that_does_not_answer_is_one_line(run: Any) -> None:
    assert run("echo", "PACS@127.0.0.1:1").refusal == (
        "dicom-node: connection refused by 127.0.0.1:1: is the PACS running?\n"
    )


def test_files_and_folders_are_sent(run: Any, pacs: type[Pacs], tmp_path: Path) -> None:
    folder = write_dicom(a_few()[:2], tmp_path / "in" / "deep")
    (folder / "notes.txt").write_text("no DICOM")
    (single,) = write_dicom(a_few()[:1], tmp_path / "single").iterdir()
    done = run("send", tmp_path / "in", single, "--to", ADDRESS)
    assert done.out == "2 of 3 instances were accepted\n"
    assert list(pacs.paths) == [*sorted(folder.glob("*.dcm")), single]


def test_a_refusal_ends_with_1_and_its_status(
    run: Any, pacs: type[Pacs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = DeliveryReport(1, warnings=("1 instances with 0xB000",), refused={"1.2": 0xA900, "1.3": 0xA900})
    monkeypatch.setattr(pacs, "report", report)
    done = run("send", write_dicom(a_few()[:3], tmp_path / "in"), "--to", ADDRESS)
    assert (done.status, done.out) == (1, "1 of 3 instances were accepted\n")
    assert done.err.splitlines() == [
        "warning: 1 instances with 0xB000", "dicom-node: 2 instances were refused with 0xA900"
    ]  # fmt: skip


@pytest.mark.usefixtures("pacs")
@pytest.mark.parametrize(
    ("exists", "reason"), [(False, "there is no such file or folder"), (True, "no DICOM files here")]
)
def test_a_path_without_dicom_is_named(run: Any, tmp_path: Path, exists: bool, reason: str) -> None:
    path = tmp_path / "in"
    if exists:
        path.mkdir()
    assert run("send", path, "--to", ADDRESS).refusal == f"dicom-node: {path}: {reason}\n"
