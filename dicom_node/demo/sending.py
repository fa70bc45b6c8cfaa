"""Sends a study to the node, the virtual scanners' or the user's own, and counts the node's answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        SOPInstanceUID -> status; None: no answer.
    left_out
        Files that are no DICOM instances: not sent.
    """

    answers: Mapping[str, int | None]
    left_out: tuple[Path, ...] = ()

    @property
    def refusals(self) -> dict[str, int]:
        """What the node said instead of accepting -> how many instances."""
        return dict(Counter(said(status) for status in self.answers.values() if not is_accepted(status)))

    def accepted(self, series: SourceSeries) -> int:
        """Return how many instances of a series the node took."""
        return sum(is_accepted(self.answers.get(uid)) for uid in series.files)

    def why_nothing(self, series: SourceSeries) -> str | None:
        """Return why the node took nothing of a series, None when it took something."""
        if self.accepted(series):
            return None
        reasons = sorted({said(self.answers[uid]) for uid in series.files if uid in self.answers})
        return "; ".join(reasons) or "its files lack the file meta information that sending needs"


def send_scans(scans: Sequence[ScannedSeries], node: Configuration, on_sent: Callable[[Answer], None]) -> Sent:
    """Send each virtual scan under its scanner's AE title."""
    answers: list[Answer] = []
    for scan in scans:
        answers += send(scan.datasets, _address(node, scan.ae_title), on_sent=on_sent)
    return Sent(_by_uid(answers))


def send_files(folder: Path, node: Configuration, on_sent: Callable[[Answer], None]) -> Sent:
    """Send the user's own files as they are."""
    sent = send_folder(folder, _address(node, CALLING_AE), on_sent=on_sent)
    return Sent(_by_uid(sent.answers.values()), sent.left_out)


def is_accepted(status: int | None) -> bool:
    """Tell whether the node stored the instance."""
    return status is not None and storage_status(status).status_class in ACCEPTED


def said(status: int | None) -> str:
    """Return in words what the node answered."""
    return "no answer" if status is None else f"{status:04X} {storage_status(status).meaning}"


def _address(node: Configuration, calling_ae: str) -> Node:
    return Node(host=LOOPBACK, port=node.port, called_ae=node.ae_title, calling_ae=calling_ae)


def _by_uid(answers: Iterable[Answer]) -> dict[str, int | None]:
    return {answer.sop_instance_uid: answer.status for answer in answers}
