"""Association negotiation: A-ASSOCIATE-RQ read, A-ASSOCIATE-AC written (PS3.8 9.3.2, 9.3.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from dicom_node.dimse.pdu import HEADER, AbortReason, PduType
from dicom_node.errors import ProtocolBroken

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 A.2.1
PROTOCOL_VERSION = 0x0001  # bit 0; the others are not looked at (PS3.8 table 9-11)
DEFAULT_MAXIMUM = 16384
"""Taken for a requestor that does not say how much it receives in one P-DATA-TF, though it must (PS3.8 D.1)."""

_FIXED = Struct(">H2x16s16s32s")  # protocol version, called, calling, reserved
_ITEM = Struct(">BxH")


class Item(IntEnum):
    """Items and sub-items that are looked at (PS3.8 9.3.2, D); others are passed over, and so are declined."""

    APPLICATION_CONTEXT = 0x10
    CONTEXT_RQ = 0x20
    CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS = 0x52
    IMPLEMENTATION_VERSION = 0x55


class ContextResult(IntEnum):
    """What becomes of a proposed presentation context (PS3.8 table 9-18)."""

    ACCEPTANCE = 0
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context that a requestor proposes (PS3.8 9.3.2.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgreedContext:
    """What is answered to a proposed presentation context (PS3.8 9.3.3.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    result: ContextResult


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ.

    Attributes
    ----------
    protocol_version, application_context
        As they came.
    called_ae, calling_ae
        Without the spaces around them.
    contexts
        Proposed ones.
    maximum_length
        Longest P-DATA-TF that the requestor receives, bytes after the header; 0: no limit.
    echoed
        The bytes that the answer gives back as they came.
    """

    protocol_version: int
    called_ae: str
    calling_ae: str
    application_context: str
    contexts: tuple[ProposedContext, ...]
    maximum_length: int
    echoed: bytes


def decode_request(body: memoryview) -> AssociateRequest:
    """Read an A-ASSOCIATE-RQ, from behind its header.

    Raises
    ------
    ProtocolBroken
        When it cannot be followed.
    """
    if len(body) < _FIXED.size:
        raise _broken("the association request is cut off")
    version, called, calling, _ = _FIXED.unpack_from(body)
    contexts: list[ProposedContext] = []
    application_context, maximum_length = "", DEFAULT_MAXIMUM
    for kind, value in _items(body[_FIXED.size :]):
        if kind == Item.APPLICATION_CONTEXT:
            application_context = _text(value)
        elif kind == Item.CONTEXT_RQ:
            contexts.append(_proposed(value))
        elif kind == Item.USER_INFORMATION:
            maximum_length = _maximum_length(value)
    if len({context.context_id for context in contexts}) < len(contexts):
        raise _broken("two presentation contexts have the same ID")
    return AssociateRequest(
        version,
        _title(called),
        _title(calling),
        application_context,
        tuple(contexts),
        maximum_length,
        bytes(body[4:68]),
    )


def agree(proposed: Sequence[ProposedContext], supported: Mapping[str, Collection[str]]) -> list[AgreedContext]:
    """Answer each proposed presentation context.

    Parameters
    ----------
    proposed
        By the requestor.
    supported
        Abstract syntax -> transfer syntaxes; of several that are proposed the first here is chosen.
    """
    answers = []
    for context in proposed:
        ours = supported.get(context.abstract_syntax)
        chosen = next((syntax for syntax in ours or () if syntax in context.transfer_syntaxes), None)
        result = (
            ContextResult.ACCEPTANCE if chosen
            else ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED if ours is None
            else ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
        )  # fmt: skip
        # of a refused context a transfer syntax is sent that means nothing (PS3.8 table 9-18)
        syntax = chosen or context.transfer_syntaxes[0]
        answers.append(AgreedContext(context.context_id, context.abstract_syntax, syntax, result))
    return answers


def encode_accept(
    request: AssociateRequest,
    contexts: Sequence[AgreedContext],
    *,
    maximum_length: int,
    implementation_class_uid: str,
    implementation_version_name: str,
) -> bytes:
    """Encode an A-ASSOCIATE-AC.

    Role selection, extended negotiation, user identity and the asynchronous window get no answer, which declines
    them (PS3.7 D.3.3.3.2, D.3.3.4.2, D.3.3.5.2, D.3.3.7.2).
    """
    user_information = b"".join(
        (
            _item(Item.MAXIMUM_LENGTH, maximum_length.to_bytes(4, "big")),
            _item(Item.IMPLEMENTATION_CLASS, implementation_class_uid.encode()),
            _item(Item.IMPLEMENTATION_VERSION, implementation_version_name.encode()),
        )
    )
    body = b"".join(
        (
            PROTOCOL_VERSION.to_bytes(2, "big") + bytes(2) + request.echoed,
            _item(Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode()),
            *(_agreed(context) for context in contexts),
            _item(Item.USER_INFORMATION, user_information),
        )
    )
    return HEADER.pack(PduType.ASSOCIATE_AC, len(body)) + body


def _agreed(context: AgreedContext) -> bytes:
    syntax = _item(Item.TRANSFER_SYNTAX, context.transfer_syntax.encode("ascii", errors="replace"))
    return _item(Item.CONTEXT_AC, bytes((context.context_id, 0, context.result, 0)) + syntax)


def _item(kind: Item, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _items(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at < len(data):
        if len(data) - at < _ITEM.size:
            raise _broken("an item of the association request is cut off")
        kind, length = _ITEM.unpack_from(data, at)
        start, at = at + _ITEM.size, at + _ITEM.size + length
        if at > len(data):
            raise _broken("an item of the association request is longer than what holds it")
        yield kind, data[start:at]


def _proposed(value: memoryview) -> ProposedContext:
    if len(value) < 4:
        raise _broken("a presentation context is cut off")
    sub_items = list(_items(value[4:]))
    abstract = [_text(each) for kind, each in sub_items if kind == Item.ABSTRACT_SYNTAX]
    transfer = tuple(_text(each) for kind, each in sub_items if kind == Item.TRANSFER_SYNTAX)
    if value[0] % 2 == 0 or len(abstract) != 1 or not transfer:  # PS3.8 table 9-13
        raise _broken("a presentation context has an even ID, not one abstract syntax, or no transfer syntax")
    return ProposedContext(value[0], abstract[0], transfer)


def _maximum_length(user_information: memoryview) -> int:
    for kind, value in _items(user_information):
        if kind == Item.MAXIMUM_LENGTH:
            if len(value) != 4:
                raise _broken("the maximum length has a wrong length")
            return int.from_bytes(value, "big")
    return DEFAULT_MAXIMUM


def _text(value: memoryview) -> str:
    return bytes(value).rstrip(b"\0 ").decode("ascii", errors="replace")


def _title(value: bytes) -> str:
    return value.decode("ascii", errors="replace").strip(" \0")


def _broken(why: str) -> ProtocolBroken:
    return ProtocolBroken(AbortReason.INVALID_PARAMETER, why)
