"""Sends series to a node as scanners do: by C-STORE, one association a series, with the scanner's AE title."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_context

from dicom_node.deliver.outgoing import Outgoing, batches, read_outgoing
from dicom_node.dimse.library import prepare_library
from dicom_node.dimse.statuses import SOP_CLASS_NOT_SUPPORTED
from dicom_node.errors import DeliveryRefused

RESPONSE_TIMEOUT_S = 60.0
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR lists files; it is sent nowhere (PS3.10 8.6)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the node said of one instance.

    Attributes
    ----------
    sop_instance_uid
        Which.
    status
        Of C-STORE (PS3.4 B.2.3); 0x0122 also where the node takes no such SOP class or transfer syntax. None when it
        gave no answer: it refused or broke the association.
    """

    sop_instance_uid: str
    status: int | None


@dataclass(frozen=True, slots=True)
class FolderSent:
    """What became of a folder.

    Attributes
    ----------
    answers
        File -> the node's answer.
    left_out
        Files that are no DICOM instances: not sent.
    """

    answers: Mapping[Path, Answer]
    left_out: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """Where to send, and as whom.

    Attributes
    ----------
    host, port, called_ae
        Of the node.
    calling_ae
        AE title of the scanner.
    """

    host: str
    port: int
    called_ae: str
    calling_ae: str


def send(datasets: Sequence[Dataset], node: Node, *, on_sent: Callable[[Answer], None] | None = None) -> list[Answer]:
    """Send the images of a series over one association.

    Parameters
    ----------
    datasets
        Uncompressed, with file meta information.
    node
        Where to.
    on_sent
        Called after each instance.
    """
    syntaxes: list[str | UID] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    contexts = [build_context(sop_class, syntaxes) for sop_class in {ds.SOPClassUID for ds in datasets}]
    items = [(str(ds.SOPInstanceUID), ds) for ds in datasets]
    return _send(items, contexts, node, on_sent or _nothing)


def send_folder(folder: Path, node: Node, *, on_sent: Callable[[Answer], None] | None = None) -> FolderSent:
    """Send all DICOM files below a folder, byte for byte as they are, series by series.

    Parameters
    ----------
    folder
        Anything may lie in it: any SOP class and transfer syntax, and files that are no DICOM.
    node
        Where to.
    on_sent
        Called after each instance.
    """
    series, left_out = _by_series(sorted(path for path in folder.rglob("*") if path.is_file()))
    answers: dict[Path, Answer] = {}
    for files in series.values():
        for batch in batches(files):
            contexts = [build_context(sop_class, syntax) for sop_class, syntax in batch.contexts]
            items = [(file.sop_instance_uid, file.path) for file in batch.files]
            replies = _send(items, contexts, node, on_sent or _nothing)
            answers |= zip((file.path for file in batch.files), replies, strict=True)
    return FolderSent(answers, tuple(left_out))


def _by_series(paths: Iterable[Path]) -> tuple[dict[str, list[Outgoing]], list[Path]]:
    series: dict[str, list[Outgoing]] = {}
    left_out = []
    for path in paths:
        try:
            file = read_outgoing(path)
            header = dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        except (DeliveryRefused, InvalidDicomError, EOFError):
            left_out.append(path)
            continue
        if file.sop_class_uid == _MEDIA_DIRECTORY:
            left_out.append(path)
        else:
            series.setdefault(str(header.get("SeriesInstanceUID", "")), []).append(file)
    return series, left_out


def _send(
    items: Sequence[tuple[str, Dataset | Path]], contexts: list[Any], node: Node, on_sent: Callable[[Answer], None]
) -> list[Answer]:
    prepare_library()
    entity = AE(ae_title=node.calling_ae)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = RESPONSE_TIMEOUT_S
    association: Any = entity.associate(node.host, node.port, contexts, ae_title=node.called_ae)
    answers = []
    for uid, item in items:
        status = _store(association, item)
        answers.append(Answer(uid, status))
        on_sent(answers[-1])
    if association.is_established:
        association.release()
    return answers


def _store(association: Any, item: Dataset | Path) -> int | None:
    if not association.is_established:  # pynetdicom ends by itself an association that would carry nothing
        takes_nothing = association.rejected_contexts and not association.accepted_contexts
        return SOP_CLASS_NOT_SUPPORTED if takes_nothing else None
    try:
        status = association.send_c_store(item)
    except ValueError:  # no accepted context, by pynetdicom's wording; a data set of our own is always encodable
        return SOP_CLASS_NOT_SUPPORTED
    return int(status.Status) if "Status" in status else None


def _nothing(answer: Answer) -> None:
    """Do nothing."""
