from __future__ import annotations

import random
from contextlib import suppress
from io import BytesIO

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context

from dicom_node.dimse.negotiation import (
    DEFAULT_MAXIMUM,
    ContextResult,
    ProposedContext,
    agree,
    decode_request,
    encode_accept,
)
from dicom_node.errors import ProtocolBroken

SUPPORTED = {str(MRImageStorage): [str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)]}


def by_pynetdicom(maximum: int = 16382) -> bytes:
    asked = A_ASSOCIATE()
    asked.application_context_name = "1.2.840.10008.3.1.1.1"
    asked.calling_ae_title, asked.called_ae_title = "SCANNER", "HARMONIZE"
    context = build_context(MRImageStorage, [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    context.context_id = 3
    asked.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = maximum, "1.2.3"
    asked.user_information = [length, implementation]
    return bytes(A_ASSOCIATE_RQ(asked).encode())


def test_a_request_that_pynetdicom_wrote_is_read() -> None:
    request = decode_request(memoryview(by_pynetdicom())[6:])
    assert (request.calling_ae, request.called_ae, request.maximum_length) == ("SCANNER", "HARMONIZE", 16382)
    assert (request.protocol_version, request.application_context) == (1, "1.2.840.10008.3.1.1.1")
    assert request.contexts == (ProposedContext(3, MRImageStorage, (ImplicitVRLittleEndian, ExplicitVRLittleEndian)),)


def test_pynetdicom_reads_what_was_agreed() -> None:
    request = decode_request(memoryview(by_pynetdicom())[6:])
    accept = encode_accept(
        request, agree(request.contexts, SUPPORTED), maximum_length=1 << 17,
        implementation_class_uid="2.25.1", implementation_version_name="OURS",
    )  # fmt: skip
    read = A_ASSOCIATE_AC()
    read.decode(accept)
    answer = read.to_primitive()
    (context,) = answer.presentation_context_definition_results_list
    assert (context.context_id, context.result, context.transfer_syntax) == (3, 0, [ExplicitVRLittleEndian])
    assert (answer.calling_ae_title, answer.called_ae_title) == ("SCANNER", "HARMONIZE")
    assert answer.maximum_length_received == 1 << 17
    assert answer.implementation_class_uid == "2.25.1"


@pytest.mark.parametrize(
    ("abstract", "transfer", "result"),
    [
        (MRImageStorage, "1.2.3", ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED),
        ("1.2.3", ExplicitVRLittleEndian, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED),
        (MRImageStorage, ImplicitVRLittleEndian, ContextResult.ACCEPTANCE),
    ],
)
def test_a_context_is_answered_for_itself(abstract: str, transfer: str, result: ContextResult) -> None:
    (answer,) = agree([ProposedContext(1, abstract, (transfer,))], SUPPORTED)
    assert (answer.result, answer.transfer_syntax) == (result, transfer)


def item(kind: int, value: bytes) -> bytes:
    return bytes((kind, 0)) + len(value).to_bytes(2, "big") + value


def context(number: int, *sub_items: bytes) -> bytes:
    return item(0x20, bytes((number, 0, 0, 0)) + b"".join(sub_items))


ABSTRACT, TRANSFER = item(0x30, b"1.2"), item(0x40, b"1.2.1")


@pytest.mark.parametrize(
    "items",
    [
        context(2, ABSTRACT, TRANSFER),  # an even ID
        context(1, TRANSFER),
        context(1, ABSTRACT, ABSTRACT, TRANSFER),
        context(1, ABSTRACT),
        context(1, ABSTRACT, TRANSFER) * 2,  # the same ID twice
        context(1, ABSTRACT, TRANSFER)[:-1],
        item(0x20, b"\1"),
        b"\x10\0\0",
        item(0x50, item(0x51, b"\0\0")),
    ],
)
def test_a_request_that_cannot_be_followed_is_a_breach(items: bytes) -> None:
    with pytest.raises(ProtocolBroken):
        decode_request(memoryview(b"\0\1" + bytes(66) + items))


def test_a_request_that_is_too_short_is_a_breach_and_one_without_a_maximum_has_the_usual_one() -> None:
    with pytest.raises(ProtocolBroken):
        decode_request(memoryview(bytes(67)))
    assert decode_request(memoryview(bytes(68))).maximum_length == DEFAULT_MAXIMUM


def test_no_damage_of_a_request_has_another_outcome_than_a_request_or_a_breach() -> None:
    chance, whole = random.Random(3), by_pynetdicom()[6:]
    for _ in range(500):
        damaged = BytesIO(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged.seek(chance.randrange(len(whole)))
            damaged.write(chance.randbytes(1))
        with suppress(ProtocolBroken):
            decode_request(memoryview(damaged.getvalue())[: chance.randrange(len(whole) + 1)])
