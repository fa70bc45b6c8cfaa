"""The operators of the rules: one function each, in one table with the operand that each takes.

A function gets one value of an element and the operand as its reader in `operands.py` left it: text folded, numbers as
floats. A new operator is a function here and a row in `OPERATORS`; the reference page takes its text from the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dicom_node.domain.facts import Scalar
from dicom_node.route import operands
from dicom_node.route.keys import Key, Kind
from dicom_node.route.moments import Moment

ANY_KIND = frozenset(Kind)
MOMENTS = frozenset({Kind.DATE, Kind.TIME, Kind.MOMENT, Kind.AGE})
ORDERED = MOMENTS | {Kind.NUMBER, Kind.OPEN}
TEXTS = frozenset({Kind.TEXT, Kind.OPEN})
WRITTEN = TEXTS | MOMENTS


def equals(value: Scalar, operand: operands.Comparable) -> bool:
    """Tell whether the value is the one given; text without regard to case and to blanks around it."""
    if isinstance(operand, Moment):
        return at_least(value, operand) and at_most(value, operand)
    if isinstance(operand, bool):
        return value is operand
    if isinstance(operand, str) and isinstance(value, str):
        return operands.folded(value) == operand
    number, wanted = operands.number_in(value), operands.number_in(operand)
    return number is not None and wanted is not None and _close(number, wanted)


def one_of(value: Scalar, operand: tuple[operands.Comparable, ...]) -> bool:
    """Tell whether the value is one of the list, each compared as `equals` does."""
    return any(equals(value, each) for each in operand)


def contains(value: Scalar, operand: str) -> bool:
    """Tell whether the text occurs somewhere in the value, without regard to case."""
    return operand in operands.folded(value)


def matches(value: Scalar, operand: operands.Pattern) -> bool:
    """Tell whether the regular expression matches somewhere in the value, case as written (`(?i)` ignores it)."""
    return operand.found_in(str(value).strip())


def between(value: Scalar, operand: tuple[operands.Quantity, operands.Quantity]) -> bool:
    """Tell whether the value lies between the two given, both included; two times may lie around midnight."""
    low, high = operand
    if isinstance(low, Moment) and isinstance(high, Moment) and low.first > high.last:
        return at_least(value, low) or at_most(value, high)
    return at_least(value, low) and at_most(value, high)


def at_least(value: Scalar, operand: operands.Quantity) -> bool:
    """Tell whether the value is the one given or larger, later, older."""
    if isinstance(operand, Moment):
        at = operand.of(value)
        return at is not None and at >= operand.first
    number = operands.number_in(value)
    return number is not None and (number > operand or _close(number, operand))


def at_most(value: Scalar, operand: operands.Quantity) -> bool:
    """Tell whether the value is the one given or smaller, earlier, younger."""
    if isinstance(operand, Moment):
        at = operand.of(value)
        return at is not None and at <= operand.last
    number = operands.number_in(value)
    return number is not None and (number < operand or _close(number, operand))


def present(*, is_there: bool, operand: bool) -> bool:
    """Tell whether the element is there and not empty (`true`), or absent or empty (`false`)."""
    return is_there is operand


def missing(*, is_there: bool, operand: bool) -> bool:
    """Tell whether the element is absent or empty (`true`), or there and not empty (`false`); see below for `any`."""
    return is_there is not operand


def _close(number: float, other: float) -> bool:
    return math.isclose(number, other, rel_tol=1e-6)  # spacing from positions is 0.99999994 where 1.0 was meant


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of `OPERATORS`.

    Attributes
    ----------
    holds
        Whether it holds for one value; where `asks_presence`, for there being a value.
    read
        Turns what the file says into the operand, or raises `operands.BadOperand`.
    kinds
        Of the keys that it may stand under.
    operand
        What to write, for the reference.
    example
        A clause, for the reference.
    asks_presence
        Whether it is about the element being there.
    """

    holds: Callable[..., bool]
    read: Callable[[Any, Key], Any]
    kinds: frozenset[Kind]
    operand: str
    example: str
    asks_presence: bool = False

    @property
    def meaning(self) -> str:
        """What it asks, from the docstring of its function."""
        return (self.holds.__doc__ or "").strip().removeprefix("Tell whether ").removesuffix(".")


OPERATORS: dict[str, Operator] = {
    "equals": Operator(equals, operands.one_value, ANY_KIND, "a value of the key's kind", "Modality: {equals: MR}"),
    "one_of": Operator(
        one_of, operands.values, ANY_KIND, "a list of values", "BodyPartExamined: {one_of: [BRAIN, HEAD]}"
    ),
    "contains": Operator(contains, operands.text, TEXTS, "text", "SeriesDescription: {contains: mprage}"),
    "matches": Operator(
        matches, operands.pattern, WRITTEN, "a regular expression", "SeriesDescription: {matches: '(?i)t1|bravo'}"
    ),
    "between": Operator(
        between, operands.quantity_range, ORDERED, "a list of two values", "field_strength_t: {between: [1.3, 1.7]}"
    ),
    "at_least": Operator(at_least, operands.quantity, ORDERED, "a value", "slices: {at_least: 60}"),
    "at_most": Operator(at_most, operands.quantity, ORDERED, "a value", "EchoTime: {at_most: 20 ms}"),
    "present": Operator(
        present, operands.flag, ANY_KIND, "true or false", "ContrastBolusAgent: {present: false}", asks_presence=True
    ),
    "missing": Operator(
        missing, operands.flag_or_any, ANY_KIND, "true, false or any", "BodyPartExamined: {missing: true}",
        asks_presence=True,
    ),
}  # fmt: skip
