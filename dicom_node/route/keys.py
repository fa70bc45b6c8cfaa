"""What a key of `when` names: a DICOM element, one inside a sequence, or a derived fact; and the kind of its values."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_dict, keyword_for_tag
from pydicom.tag import Tag

from dicom_node.domain.facts import DERIVED_FACTS, Fact
from dicom_node.located_yaml import did_you_mean
from dicom_node.route.units import ELEMENT_UNITS


class Kind(StrEnum):
    """What the values of a key are, which decides the operators that it takes."""

    TEXT = "text"
    NUMBER = "a number"
    FLAG = "true or false"
    DATE = "a date"
    TIME = "a time of day"
    MOMENT = "a date with a time"
    AGE = "an age"
    OPEN = "text or a number"  # private elements: the dictionary does not know them


@dataclass(frozen=True, slots=True)
class Key:
    """A key of `when`.

    Attributes
    ----------
    name
        As `Facts.get` knows it: fact, keyword, ``(gggg,eeee)`` in lower-case hexadecimal digits, or a path of these.
    kind
        Of its values.
    holds_backslash
        Whether one value of it may hold a backslash, which separates values elsewhere (PS3.5 6.4).
    values
        All that it can be, where that is a list.
    unit
        Of its numbers, where the node knows it.
    is_whole
        Whether its numbers have no fraction.
    is_single
        Whether an image has at most one value of it (value multiplicity 1, PS3.6).
    """

    name: str
    kind: Kind
    holds_backslash: bool = False
    values: tuple[str, ...] = ()
    unit: str | None = None
    is_whole: bool = False
    is_single: bool = False


class BadKey(ValueError):
    """A key that no rule can use; the message says why, and what was meant."""


_KIND_OF_TYPE = {str: Kind.TEXT, float: Kind.NUMBER, int: Kind.NUMBER, bool: Kind.FLAG}
_WHOLE_VRS = ("IS", "SS", "US", "SL", "UL", "SV", "UV", "US or SS")
KIND_OF_VR: dict[str, Kind] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"), Kind.TEXT),
    **dict.fromkeys((*_WHOLE_VRS, "DS", "FL", "FD"), Kind.NUMBER),
    "DA": Kind.DATE, "TM": Kind.TIME, "DT": Kind.MOMENT, "AS": Kind.AGE,
}  # fmt: skip
"""Value representation (PS3.5 6.2) to kind; those that are not here have nothing that a rule could compare."""
_ONE_VALUE = {"LT", "ST", "UR", "UT"}
_TAG = re.compile(r"\(([0-9a-fA-F]{4}),\s*([0-9a-fA-F]{4})\)")
_STEP = re.compile(r"(\([^)]*\)|[^.()]+)(?:\.|$)")


def key_of(text: str) -> Key:
    """Return what `text` names: a derived fact, a DICOM keyword, a tag as ``(gggg,eeee)``, or a path through sequences.

    Raises
    ------
    BadKey
        When it names nothing, or something that has no values to compare.
    """
    if text in DERIVED_FACTS:
        return _of_fact(text, DERIVED_FACTS[text])
    steps = _STEP.findall(text)
    if len(steps) > 1 and "".join(steps) == _STEP.sub(r"\1", text):
        return _of_path(steps)
    if text in keyword_dict:
        return _element(keyword_dict[text], text)
    if match := _TAG.fullmatch(text):
        tag = int(match[1] + match[2], 16)
        return _element(tag, _tag_name(tag))
    if text.startswith("("):
        raise BadKey("not a tag; write it as '(gggg,eeee)', in quotes")  # unquoted, {(0019,109c): 1} ends at its comma
    raise BadKey("not a DICOM keyword or a fact" + did_you_mean(text, [*DERIVED_FACTS, *keyword_dict]))


def _of_fact(name: str, fact: Fact) -> Key:
    return Key(
        name, _KIND_OF_TYPE[fact.holds], values=fact.values, unit=fact.unit, is_whole=fact.holds is int, is_single=True
    )


def _of_path(steps: list[str]) -> Key:
    """Return the key of an element inside sequences; several items may each have a value of it."""
    *sequences, last = steps
    names = []
    for step in sequences:
        match = _TAG.fullmatch(step)
        tag = int(match[1] + match[2], 16) if match else keyword_dict.get(step)
        if tag is None:
            known = [keyword for keyword, each in keyword_dict.items() if dictionary_VR(each) == "SQ"]
            raise BadKey(f"'{step}' is not a DICOM sequence" + did_you_mean(step, known))
        if not Tag(tag).is_private and _vr(tag) != "SQ":
            raise BadKey(f"'{step}' is not a sequence: nothing stands below it")
        names.append(_tag_name(tag))
    if last in DERIVED_FACTS:
        raise BadKey(f"'{last}' is a fact of the whole stack and stands in no sequence")
    inner = key_of(last)
    return replace(inner, name=".".join((*names, inner.name)), is_single=False)


def _tag_name(tag: int) -> str:
    return keyword_for_tag(tag) or f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def _vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        raise BadKey("not an element of the DICOM dictionary") from None


def _element(tag: int, name: str) -> Key:
    if tag >> 16 in (0x0000, 0x0002):
        raise BadKey("belongs to the transfer, not to the image; the sender is the fact 'calling_ae'")
    if Tag(tag).is_private:
        return Key(name, Kind.OPEN, holds_backslash=True)
    vr = _vr(tag)
    if vr == "SQ":
        raise BadKey(f"is a sequence; name an element inside it, as '{name}.CodeMeaning'")
    if vr not in KIND_OF_VR:
        raise BadKey(f"holds no text or number (its VR is {vr})")
    is_single = dictionary_VM(tag) == "1"
    return Key(
        name, KIND_OF_VR[vr], vr in _ONE_VALUE, unit=ELEMENT_UNITS.get(name), is_whole=vr in _WHOLE_VRS,
        is_single=is_single,
    )  # fmt: skip
