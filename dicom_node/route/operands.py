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
from dicom_node.located_yaml import did_you_mean
from dicom_node.route.keys import Key, Kind
from dicom_node.route.moments import EXAMPLES, Moment, is_moment
from dicom_node.route.moments import moment as read_moment
from dicom_node.route.units import BadUnit, factor, split_quantity

Quantity: TypeAlias = float | Moment
Comparable: TypeAlias = str | bool | Quantity

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
    """Read a number, in quotes or not; with a unit it is turned into the key's."""
    times = 1.0
    if isinstance(raw, str) and (quantity := split_quantity(raw)):
        raw, unit = quantity
        try:
            times = factor(unit, of=key.name, standard=key.unit)
        except BadUnit as error:
            raise BadOperand(str(error)) from None
    value = number_in(raw) if isinstance(raw, str | int | float) else None
    if value is None:
        raise BadOperand("must be a number")
    return value * times


def moment(raw: Any, key: Key) -> Moment:
    """Read a date, time or age, written as DICOM does or with hyphens and colons."""
    if key.kind is Kind.DATE and isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)  # 20260131 without quotes can mean nothing else
    found = read_moment(raw, key.kind) if isinstance(raw, str) else None
    if found is None:
        raise BadOperand(f"must be {key.kind}, in quotes, as '{EXAMPLES[key.kind]}'")
    return found


def quantity(raw: Any, key: Key) -> Quantity:
    """Read what can be smaller or larger: a number, or a date, time or age."""
    return moment(raw, key) if is_moment(key.kind) else number(raw, key)


def flag(raw: Any, key: Key) -> bool:
    """Read true or false; YAML 1.2 leaves yes and no as text."""
    value = _YES_NO.get(folded(raw)) if isinstance(raw, str) else raw
    if not isinstance(value, bool):
        raise BadOperand("must be true or false")
    return value


def flag_or_any(raw: Any, key: Key) -> bool:
    """Read what `missing` takes where it stands alone."""
    if raw == "any":
        raise BadOperand("'any' lets the other operators of this key pass where there is no value: there are none")
    return flag(raw, key)


def one_value(raw: Any, key: Key) -> Comparable:
    """Read one value of the key's kind."""
    if raw is None:
        raise BadOperand("has no value; to ask for an element that is absent or empty write {missing: true}")
    if key.kind is Kind.OPEN:
        return text(raw, key) if isinstance(raw, str) else number(raw, key)
    value = _READ[key.kind](raw, key)
    if key.values and value not in {folded(each) for each in key.values}:
        known = ", ".join(f"'{each}'" for each in key.values)
        raise BadOperand(f"not a value of '{key.name}'" + (did_you_mean(str(raw), key.values) or f"; there is {known}"))
    return value


def values(raw: Any, key: Key) -> tuple[Comparable, ...]:
    """Read a list of values of the key's kind."""
    if not isinstance(raw, list) or not raw:
        raise BadOperand("must be a list of values, as [a, b]")
    return tuple(one_value(each, key) for each in raw)


def quantity_range(raw: Any, key: Key) -> tuple[Quantity, Quantity]:
    """Read two numbers, dates, times or ages, the lower first; two times may lie around midnight."""
    if not isinstance(raw, list) or len(raw) != 2:
        what = "two numbers" if key.kind in (Kind.NUMBER, Kind.OPEN) else "a list of two"
        raise BadOperand(f"must be {what}, as [low, high]")
    low, high = quantity(raw[0], key), quantity(raw[1], key)
    if key.kind is not Kind.TIME and _last(high) < _first(low):
        raise BadOperand(f"the second {_NOUNS.get(key.kind, 'number')} is lower than the first: nothing lies between")
    return low, high


def _first(value: Quantity) -> float:
    return value.first if isinstance(value, Moment) else value


def _last(value: Quantity) -> float:
    return value.last if isinstance(value, Moment) else value


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


_READ: dict[Kind, Callable[[Any, Key], Comparable]] = {
    Kind.TEXT: text, Kind.NUMBER: number, Kind.FLAG: flag,
    Kind.DATE: moment, Kind.TIME: moment, Kind.MOMENT: moment, Kind.AGE: moment,
}  # fmt: skip
_NOUNS = {Kind.DATE: "date", Kind.MOMENT: "moment", Kind.AGE: "age"}
