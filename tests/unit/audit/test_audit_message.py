"""Audit messages: in the order and with the values of the schema (PS3.15 A.5.1), whatever a peer calls itself."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as Xml

import pytest

from dicom_node.audit.message import APPLICATION_START, APPLICATION_STOP, AuditSource, of_activity, of_association
from dicom_node.domain.association import AssociationEvent

AT = datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)
SOURCE = AuditSource("HARMONIZE", "HARMONIZE@node", "4711")
RECEIVED = AssociationEvent(
    started_at=AT - timedelta(seconds=2), ended_at=AT, peer="10.0.0.7", calling_ae="MR1", called_ae="HARMONIZE",
    outcome="released", reason=None, tls=True, instances=20, bytes=12345, refused_instances=1,
)  # fmt: skip
REFUSED = replace(RECEIVED, outcome="refused", reason="called AE title not recognized", instances=0, bytes=0)

ORDER = ["EventIdentification", "ActiveParticipant", "AuditSourceIdentification", "ParticipantObjectIdentification"]
ALLOWED = {
    "EventIdentification": {"EventActionCode", "EventDateTime", "EventOutcomeIndicator"},
    "ActiveParticipant": {
        "UserID", "AlternativeUserID", "UserIsRequestor", "NetworkAccessPointID", "NetworkAccessPointTypeCode",
    },
    "AuditSourceIdentification": {"AuditSourceID"},
    "ParticipantObjectIdentification": {
        "ParticipantObjectID", "ParticipantObjectTypeCode", "ParticipantObjectTypeCodeRole",
    },
}  # fmt: skip


def parsed(text: str) -> Xml.Element:
    assert "\n" not in text
    return Xml.fromstring(text)


@pytest.mark.parametrize(
    "text",
    [
        of_association(RECEIVED, SOURCE),
        of_association(replace(RECEIVED, instances=0, outcome="lost"), SOURCE),
        of_association(REFUSED, SOURCE),
        of_activity(AT, SOURCE, kind=APPLICATION_START),
    ],
    ids=["received", "lost", "refused", "started"],
)
def test_every_message_has_the_parts_of_the_schema_in_their_order(text: str) -> None:
    message = parsed(text)
    assert message.tag == "AuditMessage"
    tags = [part.tag for part in message]
    assert tags == sorted(tags, key=ORDER.index)
    assert tags.count("EventIdentification") == tags.count("AuditSourceIdentification") == 1
    assert "ActiveParticipant" in tags
    for part in message:
        assert part.attrib.keys() <= ALLOWED[part.tag]
        for code in part:
            if "csd-code" in code.attrib and code.tag != "AuditSourceTypeCode":
                assert code.attrib.keys() == {"csd-code", "codeSystemName", "originalText"}
    event = message.find("EventIdentification")
    assert event is not None
    assert event[0].tag == "EventID"
    assert datetime.fromisoformat(event.attrib["EventDateTime"]) == AT.replace(microsecond=123000)
    assert event.attrib["EventActionCode"] in "CRUDE"
    assert event.attrib["EventOutcomeIndicator"] in ("0", "4", "8", "12")


def test_received_instances_are_told_with_who_when_how_many_and_how_much() -> None:
    message = parsed(of_association(RECEIVED, SOURCE))
    (event_id,) = message.findall("EventIdentification/EventID")
    assert (event_id.attrib["csd-code"], event_id.attrib["codeSystemName"]) == ("110104", "DCM")
    source, destination = message.findall("ActiveParticipant")
    assert source.attrib["AlternativeUserID"] == "AETITLES=MR1"
    assert (source.attrib["NetworkAccessPointID"], source.attrib["UserIsRequestor"]) == ("10.0.0.7", "true")
    assert destination.attrib["AlternativeUserID"] == "AETITLES=HARMONIZE"
    described = message.findtext("EventIdentification/EventOutcomeDescription")
    assert described == "released, TLS, 2.000 s, 20 instances of 12345 bytes stored, 1 refused"


@pytest.mark.parametrize(("outcome", "indicator"), [("released", "0"), ("aborted", "4"), ("lost", "4")])
def test_an_end_that_was_no_release_is_a_minor_failure(outcome: str, indicator: str) -> None:
    message = parsed(of_association(replace(RECEIVED, outcome=outcome), SOURCE))  # type: ignore[arg-type]  # one of them
    assert message.find("EventIdentification").attrib["EventOutcomeIndicator"] == indicator  # type: ignore[union-attr]  # it is there


def test_a_refused_association_is_a_security_alert_that_says_why() -> None:
    message = parsed(of_association(REFUSED, SOURCE))
    codes = [each.attrib["csd-code"] for each in message.find("EventIdentification") or () if "csd-code" in each.attrib]
    assert codes == ["110113", "110126"]
    detail = message.find("ParticipantObjectIdentification/ParticipantObjectDetail")
    assert detail is not None
    assert base64.b64decode(detail.attrib["value"]) == b"called AE title not recognized"


def test_start_and_end_of_the_node_are_told_apart() -> None:
    texts = [of_activity(AT, SOURCE, kind=kind) for kind in (APPLICATION_START, APPLICATION_STOP)]
    codes = [parsed(text).find("EventIdentification/EventTypeCode").attrib["csd-code"] for text in texts]  # type: ignore[union-attr]  # it is there
    assert codes == ["110120", "110121"]


@pytest.mark.parametrize("title", ["<script>\"&'", "A\r\n<14>1 forged", "\x00\x1b[2J\x07", "\ud800", ""])
def test_whatever_a_peer_calls_itself_stays_within_its_attribute(title: str) -> None:
    for event in (RECEIVED, REFUSED):
        text = of_association(replace(event, calling_ae=title), SOURCE)
        message = parsed(text.encode().decode())
        assert len(message.findall("ActiveParticipant")) == 2
        assert not any(ord(c) < 32 for c in text)
