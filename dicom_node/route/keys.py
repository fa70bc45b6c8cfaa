"""What a key of `when` names: a DICOM element or a derived fact, and the kind of its values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pydicom.datadict import dictionary_VR, keyword_dict, keyword_for_tag
from pydicom.tag import Tag

from dicom_node.domain.facts import DERIVED_FACTS
from dicom_node.located_yaml import did_you_mean


class Kind(StrEnum):
    """What the values of a key are, which decides the operators that it takes."""

    TEXT = "text"
    NUMBER = "a number"
    FLAG = "true or false"
    OPEN = "text or a number"  # private elements: the dictionary does not know them


@dataclass(frozen=True, slots=True)
class Key:
    """A key of `when`.

    Attributes
    ----------
    name
        As `Facts.get` knows it: fact, keyword, or ``(gggg,eeee)`` in lower-case hexadecimal digits.
    kind
        Of its values.
    holds_backslash
        Whether one value of it may hold a backslash, which separates values elsewhere (PS3.5 6.4).
    """

    name: str
    kind: Kind
    holds_backslash: bool = False


class BadKey(ValueError):
    """A key that no rule can use; the message says why, and what was meant."""


_KIND_OF_TYPE = {str: Kind.TEXT, float: Kind.NUMBER, int: Kind.NUMBER, bool: Kind.FLAG}
_TEXT_VRS = ("AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
_NUMBER_VRS = ("DS", "IS", "FL", "FD", "SS", "US", "SL", "UL", "SV", "UV", "US or SS")
_KIND_OF_VR = {**dict.fromkeys(_TEXT_VRS, Kind.TEXT), **dict.fromkeys(_NUMBER_VRS, Kind.NUMBER)}
_ONE_VALUE = {"LT", "ST", "UR", "UT"}
_TAG = re.compile(r"\(([0-9a-fA-F]{4}),\s*([0-9a-fA-F]{4})\)")


def key_of(text: str) -> Key:
    """Return what `text` names: a derived fact, a DICOM keyword, or a tag as ``(gggg,eeee)``.

    Raises
    ------
    BadKey
        When it names nothing, or something that has no values to compare.
    """
    if text in DERIVED_FACTS:
        return Key(text, _KIND_OF_TYPE[DERIVED_FACTS[text][0]])
    if text in keyword_dict:
        return _element(keyword_dict[text], text)
    if match := _TAG.fullmatch(text):
        tag = int(match[1] + match[2], 16)
        return _element(tag, keyword_for_tag(tag) or f"({tag >> 16:04x},{tag & 0xFFFF:04x})")
    if text.startswith("("):
        raise BadKey("not a tag; write it as '(gggg,eeee)', in quotes")  # unquoted, {(0019,109c): 1} ends at its comma
    raise BadKey("not a DICOM keyword or a fact" + did_you_mean(text, [*DERIVED_FACTS, *keyword_dict]))


def _element(tag: int, name: str) -> Key:
    if tag >> 16 in (0x0000, 0x0002):
        raise BadKey("belongs to the transfer, not to the image; the sender is the fact 'calling_ae'")
    if Tag(tag).is_private:
        return Key(name, Kind.OPEN, holds_backslash=True)
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        raise BadKey("not an element of the DICOM dictionary") from None
    if vr == "SQ":
        raise BadKey("is a sequence; rules look at the elements on the top level")
    if vr not in _KIND_OF_VR:
        raise BadKey(f"holds no text or number (its VR is {vr})")
    return Key(name, _KIND_OF_VR[vr], holds_backslash=vr in _ONE_VALUE)
