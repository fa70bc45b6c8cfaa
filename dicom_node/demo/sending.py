"""Sends a study to the node, the virtual scanners' or the user's own, and counts the node's answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_node.demo.node import LOOPBACK, Configuration
from dicom_node.demo.scanner_send import Answer, Node, send, send_folder
from dicom_node.demo.sources import SourceSeries
from dicom_node.demo.virtual_scanner import ScannedSeries
from dicom_node.dimse.statuses import StatusClass, storage_status

CALLING_AE = "DEMO_SCANNER"
ACCEPTED = frozenset({StatusClass.SUCCESS, StatusClass.WARNING})


@dataclass(frozen=True, slots=True)
class Sent:
    """What the node said.

    Attributes
    ----------
    answers
        File -> status; None: no answer.
    left_out
        Files that are no DICOM instances: not sent.
    """

    answers: Mapping[Path, int | None]
    left_out: tuple[Path, ...] = ()

    @property
    def refusals(self) -> dict[str, int]:
        """What the node said instead of accepting -> how many instances."""
        return dict(Counter(said(status) for status in self.answers.values() if not is_accepted(status)))

    def accepted(self, series: SourceSeries) -> int:
        """Return how many instances of a series the node took."""
        return sum(is_accepted(self.answers.get(path)) for path in series.files.values())

    def why_nothing(self, series: SourceSeries) -> str | None:
        """Return why the node took nothing of a series, None when it took something."""
        if self.accepted(series):
            return None
        reasons = sorted({said(self.answers[path]) for path in series.files.values() if path in self.answers})
        return "; ".join(reasons) or "its files lack the file meta information that sending needs"


def send_scans(
    scans: Sequence[ScannedSeries],
    sources: Mapping[str, SourceSeries],
    node: Configuration,
    on_sent: Callable[[Answer], None],
) -> Sent:
    """Send each virtual scan under its scanner's AE title; `sources` are the same images as files."""
    files = {uid: path for series in sources.values() for uid, path in series.files.items()}
    answers: dict[Path, int | None] = {}
    for scan in scans:
        for answer in send(scan.datasets, _address(node, scan.ae_title), on_sent=on_sent):
            answers[files[answer.sop_instance_uid]] = answer.status
    return Sent(answers)


def send_files(folder: Path, node: Configuration, on_sent: Callable[[Answer], None]) -> Sent:
    """Send the user's own files as they are."""
    sent = send_folder(folder, _address(node, CALLING_AE), on_sent=on_sent)
    return Sent({path: answer.status for path, answer in sent.answers.items()}, sent.left_out)


def is_accepted(status: int | None) -> bool:
    """Tell whether the node stored the instance."""
    return status is not None and storage_status(status).status_class in ACCEPTED


def said(status: int | None) -> str:
    """Return in words what the node answered."""
    return "no answer" if status is None else f"{status:04X} {storage_status(status).meaning}"


def _address(node: Configuration, calling_ae: str) -> Node:
    return Node(host=LOOPBACK, port=node.port, called_ae=node.ae_title, calling_ae=calling_ae)
