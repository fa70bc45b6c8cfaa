"""Writes the tables of the conformance statement from the code: ``python docs/conformance/generate.py``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydicom.tag import Tag
from pydicom.uid import UID

from dicom_node.assemble.archive_counts import ASK_AGAIN_AFTER_S, LEFT_ALONE_S
from dicom_node.deliver.settings import DicomDestinationSettings
from dicom_node.dimse import archive
from dicom_node.dimse.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES, UNCOMPRESSED_LITTLE_ENDIAN, VERIFICATION
from dicom_node.dimse.statuses import STORAGE_STATUSES, StatusClass
from dicom_node.domain.commitment import FAILURE_REASONS
from dicom_node.receive import policy
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.services import STATUSES
from dicom_node.receive.session import OPEN_SERIES
from dicom_node.settings import CommitmentSettings

STATEMENT = Path(__file__).with_name("statement.md")

_ACTIONS = {
    StatusClass.SUCCESS: "Delivered.",
    StatusClass.WARNING: "Delivered; the warning is recorded with the job.",
    StatusClass.TRY_LATER: "The attempt ends; the whole series is sent again later.",
    StatusClass.REFUSED: "The instance is recorded as refused; the rest is sent.",
}
_SENT = {
    "QueryRetrieveLevel": "`SERIES`",
    "StudyInstanceUID": "of the series",
    "SeriesInstanceUID": "of the series",
    "NumberOfSeriesRelatedInstances": "empty: it is asked for",
}


def statement(text: str) -> str:
    """Return the statement with every table between its markers made anew."""
    for name, lines in _tables().items():
        marked = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marked.search(text):
            raise ValueError(f"the statement has no markers for {name}")
        table = "\n" + "\n".join(lines) + "\n\n"
        text = marked.sub(lambda found, table=table: found[1] + table + found[2], text)
    return text


def _tables() -> dict[str, list[str]]:
    return {
        "verification": _table(("SOP class", "UID", "Transfer syntaxes", "Role"), [_verification_row()]),
        "storage classes": _table(("SOP class", "UID"), ((uid.name, f"`{uid}`") for uid in STORAGE_CLASSES)),
        "transfer syntaxes": _table(("Transfer syntax", "UID"), ((uid.name, f"`{uid}`") for uid in TRANSFER_SYNTAXES)),
        "rejections": _table(("Result", "Source", "Reason", "When"), _rejection_rows()),
        "limits": _table(("What", "Limit"), _limit_rows()),
        "commitment failures": _table(("Failure Reason", "When"), _code_rows(FAILURE_REASONS)),
        "commitment limits": _table(("What", "Default, a setting"), _commitment_rows()),
        "request statuses": _table(("Status", "When"), _code_rows(STATUSES)),
        "query keys": _table(("Key", "Tag", "Value"), _query_rows()),
        "query limits": _table(("What", "How long"), _query_limit_rows()),
        "statuses received": _table(("Status", "Meaning", "Source", "What the node does"), _status_rows()),
        "sending limits": _table(("What", "Default, a setting of the destination"), _sending_rows()),
    }


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _verification_row() -> tuple[str, ...]:
    syntaxes = ", ".join(uid.name for uid in UNCOMPRESSED_LITTLE_ENDIAN)
    return UID(VERIFICATION).name, f"`{VERIFICATION}`", syntaxes, "SCU and SCP"


def _rejection_rows() -> list[tuple[str, ...]]:
    rejections = (
        policy.UNKNOWN_APPLICATION_CONTEXT,
        policy.UNKNOWN_PROTOCOL,
        policy.UNKNOWN_CALLED_AE,
        policy.UNKNOWN_CALLING_AE,
        policy.UNKNOWN_CALLING_HOST,
        policy.CANNOT_DECIDE,
        policy.SHUTTING_DOWN,
        policy.TOO_MANY,
    )
    return [(str(each.result), str(each.source), str(each.reason), each.why) for each in rejections]


def _limit_rows() -> list[tuple[str, str]]:
    limits = ReceiverLimits()
    return [
        ("Associations at once", str(limits.associations)),
        ("Associations at once from one address", str(limits.associations_per_peer)),
        ("Maximum length received (P-DATA-TF)", f"{limits.maximum_pdu} bytes; a longer one is answered with A-ABORT"),
        ("A-ASSOCIATE-RQ", f"{limits.request_bytes} bytes; a longer one is answered with A-ABORT"),
        ("Data set", f"{limits.instance_bytes} bytes; a longer one is answered with A-ABORT"),
        ("From connection to A-ASSOCIATE-RQ; ARTIM", f"{limits.negotiation_s:g} s"),
        ("One PDU, from its first byte to its last", f"{limits.pdu_s:g} s"),
        ("Silence on an association", f"{limits.idle_s:g} s, then A-ABORT"),
        ("A whole association", f"{limits.association_s:g} s, then A-ABORT"),
        ("Series that one association keeps from completing", f"the last {OPEN_SERIES} it brought instances of"),
    ]


def _status_rows() -> list[tuple[str, ...]]:
    return [
        (
            f"{status.first:04X}" if status.first == status.last else f"{status.first:04X} to {status.last:04X}",
            status.meaning,
            status.clause,
            _ACTIONS[status.status_class],
        )
        for status in STORAGE_STATUSES
    ]


def _code_rows(meanings: Mapping[int, str]) -> list[tuple[str, str]]:
    return [(f"{code:04X}", meaning) for code, meaning in meanings.items()]


def _commitment_rows() -> list[tuple[str, str]]:
    settings = CommitmentSettings()
    return [
        ("Wait for instances that are not here yet", f"{settings.wait_s:g} s (`commitment.wait_s`)"),
        ("First and longest wait after a report failed", f"{settings.retry_first_s:g} s, {settings.retry_max_s:g} s"),
        ("A report is given up", f"{settings.give_up_days:g} days after the request (`commitment.give_up_days`)"),
        ("Port of requestors that are not in `commitment.peers`", f"{settings.port} (`commitment.port`)"),
    ]


def _query_rows() -> list[tuple[str, str, str]]:
    return [(keyword, str(Tag(keyword)), _SENT[keyword]) for keyword in archive.KEYS]


def _query_limit_rows() -> list[tuple[str, str]]:
    return [
        ("TCP connection, and each answer", f"{archive.TIMEOUT_S:g} s"),
        ("All answers together", f"{archive.ANSWERS_S:g} s"),
        ("From one question about a series to the next, at least", f"{ASK_AGAIN_AFTER_S:g} s"),
        ("Left alone after no answer", f"{LEFT_ALONE_S:g} s"),
    ]


def _sending_rows() -> list[tuple[str, str]]:
    fields = DicomDestinationSettings.model_fields
    return [
        ("TCP connection", f"{fields['connect_timeout_s'].default:g} s (`connect_timeout_s`)"),
        ("Each answer of the peer", f"{fields['response_timeout_s'].default:g} s (`response_timeout_s`)"),
    ]


if __name__ == "__main__":
    STATEMENT.write_text(statement(STATEMENT.read_text(encoding="utf-8")), encoding="utf-8")
