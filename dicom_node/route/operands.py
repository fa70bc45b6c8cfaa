"""What the file gives an operator: read once, when the rules are loaded, into the form that matching needs.

Each reader takes what stands in the file and the key that it stands under, and raises `BadOperand` with a sentence for
the admin where the two do not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import SchemaError, SchemaValidator, core_schema

from dicom_node.domain.facts import Scalar
from dicom_node.route.keys import Key, Kind

Comparable: TypeAlias = str | float | bool

MAX_PATTERN = 500
_YES_NO = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class BadOperand(ValueError):
    """An operand that does not fit its operator or key; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled regular expression.

    The engine is pydantic's (Rust's `regex`): its time grows with the length of the text only, so that no expression
    can stop the node; in return it knows no look-around and no back-references.
    """

    text: str
    _engine: SchemaValidator = field(compare=False, repr=False)

    def found_in(self, value: str) -> bool:
        """Tell whether the expression matches somewhere in `value`."""
        return self._engine.isinstance_python(value)


def folded(value: Scalar) -> str:
    """Return text as it is compared: no blanks around it, no difference of case."""
    return str(value).strip().casefold()


def number_in(value: Scalar) -> float | None:
    """Return the finite number that `value` is or spells, else None."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def text(raw: Any, key: Key) -> str:
    """Read text, folded."""
    if not isinstance(raw, str):
        raise BadOperand("must be text: put it in quotes")
    if not raw.strip():
        raise BadOperand("is empty; to ask for an element that is absent or empty write {missing: true}")
    if "\\" in raw and not key.holds_backslash:
        raise BadOperand("holds a backslash, which separates values: each value is compared by itself")
    return folded(raw)


def number(raw: Any, key: Key) -> float:
    """Read a number, in quotes or not."""
    value = number_in(raw) if isinstance(raw, str | int | float) else None
    if value is None:
        raise BadOperand("must be a number")
    return value


def flag(raw: Any, key: Key) -> bool:
    """Read true or false; YAML 1.2 leaves yes and no as text."""
    value = _YES_NO.get(folded(raw)) if isinstance(raw, str) else raw
    if not isinstance(value, bool):
        raise BadOperand("must be true or false")
    return value


def one_value(raw: Any, key: Key) -> Comparable:
    """Read one value of the key's kind."""
    if raw is None:
        raise BadOperand("has no value; to ask for an element that is absent or empty write {missing: true}")
    if key.kind is Kind.OPEN:
        return text(raw, key) if isinstance(raw, str) else number(raw, key)
    return _READ[key.kind](raw, key)


def values(raw: Any, key: Key) -> tuple[Comparable, ...]:
    """Read a list of values of the key's kind."""
    if not isinstance(raw, list) or not raw:
        raise BadOperand("must be a list of values, as [a, b]")
    return tuple(one_value(each, key) for each in raw)


def number_range(raw: Any, key: Key) -> tuple[float, float]:
    """Read two numbers, the lower first."""
    if not isinstance(raw, list) or len(raw) != 2:
        raise BadOperand("must be two numbers, as [low, high]")
    low, high = number(raw[0], key), number(raw[1], key)
    if high < low:
        raise BadOperand("the second number is lower than the first: nothing lies between them")
    return low, high


def pattern(raw: Any, key: Key) -> Pattern:
    """Read and compile a regular expression."""
    if not isinstance(raw, str) or not raw:
        raise BadOperand("must be a regular expression, in quotes")
    if len(raw) > MAX_PATTERN:
        raise BadOperand(f"longer than {MAX_PATTERN} characters")
    try:
        engine = SchemaValidator(core_schema.str_schema(pattern=raw, strict=True, regex_engine="rust-regex"))
    except SchemaError as error:
        raise BadOperand("not a regular expression: " + str(error).splitlines()[-1].removeprefix("error: ")) from None
    return Pattern(raw, engine)


_READ: dict[Kind, Callable[[Any, Key], Comparable]] = {Kind.TEXT: text, Kind.NUMBER: number, Kind.FLAG: flag}
