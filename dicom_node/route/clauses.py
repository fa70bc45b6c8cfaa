"""What a rule asks for: single clauses, joined by `all`, `any` and `not`, read from what stands under `when`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from dicom_node.located_yaml import Loc, did_you_mean, located_error
from dicom_node.route.keys import BadKey, Key, key_of
from dicom_node.route.operands import BadOperand
from dicom_node.route.operators import OPERATORS


@dataclass(frozen=True, slots=True)
class Clause:
    """One question to one element or fact.

    Attributes
    ----------
    key
        As `Facts.get` knows it.
    operator, operand
        Name in `OPERATORS`, and what its reader made of the file's text.
    text
        For people: ``field_strength_t between [1.3, 1.7]``.
    is_lenient
        Whether it is met where there is no value to compare.
    """

    key: str
    operator: str
    operand: Any
    text: str
    is_lenient: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; without parts it always does."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold, be it for a missing element."""

    part: Condition


Condition: TypeAlias = Clause | All | AnyOf | Not

NESTING = ("all", "any", "not")


@dataclass(frozen=True, slots=True)
class When:
    """What stands under `when`.

    Attributes
    ----------
    condition
        As it is matched.
    written
        As it stands in the file, which is what a job keeps.
    """

    condition: All
    written: Mapping[str, Any]


def parse_when(data: Any) -> When:
    """Read what stands under `when`.

    Raises
    ------
    ValidationError
        With one error for each mistake, at its place.
    """
    if isinstance(data, When):
        return data
    reader = _Reader()
    condition = reader.mapping(data, ())
    if reader.mistakes:
        raise ValidationError.from_exception_data("when", reader.mistakes)
    return When(condition, data)


def in_words(condition: Condition) -> str:
    """Return a condition as a person would write it on one line."""
    if isinstance(condition, Clause):
        return condition.text
    if isinstance(condition, Not):
        return f"not ({in_words(condition.part)})"
    joint = " and " if isinstance(condition, All) else " or "
    return joint.join(
        f"({in_words(part)})" if len(condition.parts) > 1 and isinstance(part, All | AnyOf) else in_words(part)
        for part in condition.parts
    )


class _Reader:
    """Reads conditions and collects mistakes, so that an admin sees all of them at once."""

    def __init__(self) -> None:
        self.mistakes: list[InitErrorDetails] = []

    def mapping(self, data: Any, loc: Loc) -> All:
        if not isinstance(data, Mapping):
            self._mistake(loc, "must hold clauses, as 'Modality: MR'")
            return All(())
        parts: list[Condition] = []
        for name, value in data.items():
            here = (*loc, name)
            if name == "not":
                parts.append(Not(self._filled(value, here)))
            elif name in NESTING:
                items = self._items(value, here)
                parts.append(All(items) if name == "all" else AnyOf(items))
            else:
                parts.extend(self._clauses(name, value, here))
        return All(tuple(parts))

    def _items(self, data: Any, loc: Loc) -> tuple[Condition, ...]:
        if not isinstance(data, list) or not data:
            self._mistake(loc, "must be a list of clauses, as [{Modality: MR}, {contrast: T1}]")
            return ()
        return tuple(self._filled(item, (*loc, position)) for position, item in enumerate(data))

    def _filled(self, data: Any, loc: Loc) -> Condition:
        if data == {}:
            self._mistake(loc, "holds no clause")
        whole = self.mapping(data, loc)
        return whole.parts[0] if len(whole.parts) == 1 else whole

    def _clauses(self, name: str, value: Any, loc: Loc) -> Sequence[Condition]:
        try:
            key = key_of(name)
        except BadKey as error:
            self._mistake(loc, f"must be written '{name.lower()}'" if name.lower() in NESTING else str(error))
            return []
        if isinstance(value, list):
            return self._one(key, "one_of", value, loc)
        if not isinstance(value, Mapping):
            return self._one(key, "equals", value, loc)
        if not value:
            self._mistake(loc, "holds no operator")
        is_lenient = len(value) > 1 and value.get("missing") == "any"
        asked = {name: operand for name, operand in value.items() if not (is_lenient and name == "missing")}
        clauses = [
            clause
            for operator, operand in asked.items()
            for clause in self._one(key, operator, operand, (*loc, operator))
        ]
        return [_lenient(clause) for clause in clauses] if is_lenient else list(clauses)

    def _one(self, key: Key, name: str, operand: Any, loc: Loc) -> list[Clause]:
        operator = OPERATORS.get(name)
        if operator is None:
            self._mistake(loc, "not an operator" + did_you_mean(name, OPERATORS))
        elif key.kind not in operator.kinds:
            fitting = ", ".join(f"'{each}'" for each, row in OPERATORS.items() if key.kind in row.kinds)
            self._mistake(loc, f"'{name}' cannot be asked of '{key.name}', which is {key.kind}; there is {fitting}")
        else:
            try:
                return [Clause(key.name, name, operator.read(operand, key), f"{key.name} {name} {_shown(operand)}")]
            except BadOperand as error:
                self._mistake(loc, str(error))
        return []

    def _mistake(self, loc: Loc, message: str) -> None:
        self.mistakes.append(located_error(loc, message))


def _lenient(clause: Clause) -> Clause:
    if OPERATORS[clause.operator].asks_presence:
        return clause
    return replace(clause, text=f"{clause.text} or missing", is_lenient=True)


def _shown(operand: Any) -> str:
    if isinstance(operand, list):
        return "[" + ", ".join(map(_shown, operand)) + "]"
    return str(operand).lower() if isinstance(operand, bool) else str(operand)
