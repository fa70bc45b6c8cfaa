"""Audit messages as XML: what the schema of PS3.15 A.5.1 asks for, of associations and of the node's own life."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as Xml

from dicom_node.domain.association import AssociationEvent, Outcome
from dicom_node.log import printable


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value; the code system is DCM where nothing else is said (PS3.16 D)."""

    value: str
    meaning: str
    system: str = "DCM"


APPLICATION_ACTIVITY = Code("110100", "Application Activity")
INSTANCES_TRANSFERRED = Code("110104", "DICOM Instances Transferred")
SECURITY_ALERT = Code("110113", "Security Alert")
ASSOCIATION = Code("association", "DICOM Association", "99DICOMNODE")
"""PS3.15 A.5.3 has no message for an association over which no instance came."""

APPLICATION_START, APPLICATION_STOP = Code("110120", "Application Start"), Code("110121", "Application Stop")
NODE_AUTHENTICATION = Code("110126", "Node Authentication")

APPLICATION = Code("110150", "Application")
DESTINATION, SOURCE = Code("110152", "Destination Role ID"), Code("110153", "Source Role ID")
NODE_ID = Code("110182", "Node ID")

SUCCESS, MINOR_FAILURE = "0", "4"
OUTCOMES: Final[Mapping[Outcome, str]] = {
    "released": SUCCESS, "aborted": MINOR_FAILURE, "refused": MINOR_FAILURE, "lost": MINOR_FAILURE,
}  # fmt: skip
"""How an association ended -> EventOutcomeIndicator."""

_IP_ADDRESS = "2"
_APPLICATION_SERVER = "4"
_SYSTEM_OBJECT, _SECURITY_RESOURCE = "2", "13"


@dataclass(frozen=True, slots=True)
class AuditSource:
    """Who reports.

    Attributes
    ----------
    ae_title
        Of the node.
    source_id
        AuditSourceID: tells the nodes of a hospital apart.
    process_id
        Of the process that reports.
    """

    ae_title: str
    source_id: str
    process_id: str


def of_association(event: AssociationEvent, source: AuditSource) -> str:
    """Return the message of an association.

    A refused one is a Security Alert (PS3.15 A.5.3.11). One that brought instances is DICOM Instances Transferred
    (A.5.3.7), with their number but without the studies and the patient, which the node does not keep by association.
    """
    if event.outcome == "refused":
        return _alert(event, source)
    message = _message(
        INSTANCES_TRANSFERRED if event.instances else ASSOCIATION, at=event.ended_at,
        action="C" if event.instances else "E", outcome=OUTCOMES[event.outcome], what=_what(event),
    )  # fmt: skip
    _participant(message, event.peer, event.calling_ae, role=SOURCE, requests=True, address=event.peer)
    _participant(message, source.process_id, event.called_ae, role=DESTINATION, requests=False)
    return _text(message, source)


def of_activity(at: datetime, source: AuditSource, *, kind: Code) -> str:
    """Return the message of the node's start or end (PS3.15 A.5.3.1).

    Parameters
    ----------
    kind
        `APPLICATION_START` or `APPLICATION_STOP`.
    """
    message = _message(APPLICATION_ACTIVITY, at=at, action="E", outcome=SUCCESS, kind=kind)
    _participant(message, source.process_id, source.ae_title, role=APPLICATION, requests=False)
    return _text(message, source)


def _alert(event: AssociationEvent, source: AuditSource) -> str:
    message = _message(
        SECURITY_ALERT, at=event.ended_at, action="E", outcome=OUTCOMES[event.outcome],
        kind=NODE_AUTHENTICATION, what=_what(event),
    )  # fmt: skip
    _participant(message, source.process_id, source.ae_title, role=APPLICATION, requests=False)
    _participant(message, event.peer, event.calling_ae, role=SOURCE, requests=True, address=event.peer)
    subject = {
        "ParticipantObjectID": event.peer, "ParticipantObjectTypeCode": _SYSTEM_OBJECT,
        "ParticipantObjectTypeCodeRole": _SECURITY_RESOURCE,
    }  # fmt: skip
    element = Xml.Element("ParticipantObjectIdentification", subject)
    _code(element, "ParticipantObjectIDTypeCode", NODE_ID)
    Xml.SubElement(element, "ParticipantObjectName").text = _plain(event.calling_ae) or "(none)"
    why = base64.b64encode(_plain(event.reason or "refused").encode()).decode()
    Xml.SubElement(element, "ParticipantObjectDetail", {"type": "Alert Description", "value": why})
    return _text(message, source, element)


def _what(event: AssociationEvent) -> str:
    seconds = (event.ended_at - event.started_at).total_seconds()
    said = [
        event.outcome,
        *([event.reason] if event.reason else []),
        "TLS" if event.tls else "no TLS",
        f"{seconds:.3f} s",
        f"{event.instances} instances of {event.bytes} bytes stored",
        f"{event.refused_instances} refused",
    ]
    return _plain(", ".join(said))


def _message(
    event: Code, *, at: datetime, action: str, outcome: str, kind: Code | None = None, what: str = ""
) -> Xml.Element:
    message = Xml.Element("AuditMessage")
    time = at.astimezone(UTC).isoformat(timespec="milliseconds")
    attributes = {"EventActionCode": action, "EventDateTime": time, "EventOutcomeIndicator": outcome}
    identification = Xml.SubElement(message, "EventIdentification", attributes)
    _code(identification, "EventID", event)
    if kind is not None:
        _code(identification, "EventTypeCode", kind)
    if what:
        Xml.SubElement(identification, "EventOutcomeDescription").text = what
    return message


def _participant(
    message: Xml.Element, user: str, ae_title: str, *, role: Code, requests: bool, address: str | None = None
) -> None:
    attributes = {
        "UserID": _plain(user) or "(unknown)",
        "AlternativeUserID": f"AETITLES={_plain(ae_title)}",
        "UserIsRequestor": "true" if requests else "false",
    }
    if address:
        attributes |= {"NetworkAccessPointID": _plain(address), "NetworkAccessPointTypeCode": _IP_ADDRESS}
    _code(Xml.SubElement(message, "ActiveParticipant", attributes), "RoleIDCode", role)


def _code(parent: Xml.Element, name: str, code: Code) -> None:
    attributes = {"csd-code": code.value, "codeSystemName": code.system, "originalText": code.meaning}
    Xml.SubElement(parent, name, attributes)


def _text(message: Xml.Element, source: AuditSource, *objects: Xml.Element) -> str:
    """Return the message on one line, its last parts in the order of the schema."""
    identification = Xml.SubElement(message, "AuditSourceIdentification", {"AuditSourceID": source.source_id})
    Xml.SubElement(identification, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})
    message.extend(objects)
    return '<?xml version="1.0" encoding="UTF-8"?>' + Xml.tostring(message, encoding="unicode")


def _plain(text: str) -> str:
    """Return text of the network without what XML cannot hold and a terminal would obey."""
    return printable(text)
