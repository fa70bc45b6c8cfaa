"""Whether any stack could meet a condition: a search for values that do, over the few that could make a difference.

What cannot be decided (two regular expressions on one text, a search that takes too long) counts as possible: a rule is
refused only where it is sure that nothing meets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

from dicom_node.domain.facts import Facts
from dicom_node.route.clauses import All, AnyOf, Clause, Condition, Not
from dicom_node.route.keys import Key, key_of
from dicom_node.route.operators import OPERATORS
from dicom_node.route.witnesses import Witness, may_hold, must_hold, witnesses

MAX_STEPS = 5000
"""Of one search; a rules file of 200 rules needs some hundreds for each."""

Literal: TypeAlias = tuple[Clause, bool]
_Goal: TypeAlias = tuple[Condition, bool]
_Open: TypeAlias = "tuple[_Goal, _Open] | None"


def is_impossible(condition: Condition) -> bool:
    """Tell whether it is sure that no stack meets a condition."""
    stack: list[tuple[_Open, tuple[_Goal, ...], dict[str, tuple[Literal, ...]]]] = [(((condition, True), None), (), {})]
    for _ in range(MAX_STEPS):
        if not stack:
            return True
        pending, choices, literals = stack.pop()
        settled = _settle(pending, choices, literals)
        if settled is None:
            continue
        choices, literals = settled
        if not choices:
            return False
        (chosen, wanted), rest = choices[0], choices[1:]
        parts = chosen.parts if isinstance(chosen, All | AnyOf) else ()
        stack += [(((part, wanted), None), rest, literals) for part in reversed(parts)]
    return False


def _settle(
    pending: _Open, choices: tuple[_Goal, ...], literals: dict[str, tuple[Literal, ...]]
) -> tuple[tuple[_Goal, ...], dict[str, tuple[Literal, ...]]] | None:
    """Follow what must hold until only choices are left; None where it contradicts itself."""
    literals = dict(literals)
    while pending is not None:
        (condition, wanted), pending = pending
        if isinstance(condition, Clause):
            asked = (*literals.get(condition.key, ()), (condition, wanted))
            if not can_hold(asked):
                return None
            literals[condition.key] = asked
        elif isinstance(condition, Not):
            pending = ((condition.part, not wanted), pending)
        elif isinstance(condition, All) is wanted:  # all of them hold, or none of any
            for part in condition.parts:
                pending = ((part, wanted), pending)
        else:
            choices = (*choices, (condition, wanted))
    return choices, literals


def can_hold(literals: Sequence[Literal]) -> bool:
    """Tell whether one element can meet some clauses and fail others; all are about the same key."""
    if all(_if_missing(clause) is wanted for clause, wanted in literals):
        return True
    met: list[Clause] = []
    failed: list[Clause] = []
    for clause, wanted in literals:
        operator = OPERATORS[clause.operator]
        if not operator.asks_presence:
            (met if wanted else failed).append(clause)
        elif operator.holds(is_there=True, operand=clause.operand) is not wanted:
            return False
    key = _key(literals[0][0].key)
    if key.is_single:
        return _some_value(key, met, failed)
    return all(_some_value(key, [each], failed) for each in met) if met else _some_value(key, [], failed)


def _if_missing(clause: Clause) -> bool:
    operator = OPERATORS[clause.operator]
    if operator.asks_presence:
        return operator.holds(is_there=False, operand=clause.operand)
    return clause.is_lenient


def _some_value(key: Key, met: Sequence[Clause], failed: Sequence[Clause]) -> bool:
    """Tell whether there is one value that meets these clauses and fails those."""
    if any((one.operator, one.operand) == (other.operator, other.operand) for one in met for other in failed):
        return False
    found = witnesses(key, met, failed)
    return found is None or any(_is_witness(each, key, met, failed) for each in found)


def _is_witness(value: Witness, key: Key, met: Iterable[Clause], failed: Iterable[Clause]) -> bool:
    return all(may_hold(clause, value, key) for clause in met) and not any(
        must_hold(clause, value, key) for clause in failed
    )


@lru_cache(maxsize=4096)
def _key(name: str) -> Key:
    return key_of(name)


def given(condition: Condition, facts: Facts, keys: Iterable[str]) -> Condition:
    """Return a condition with the answers in the place of the clauses that ask for `keys`, which `facts` settle."""
    from dicom_node.route.matcher import holds

    known = frozenset(keys)

    def settled(part: Condition) -> Condition:
        if isinstance(part, Clause):
            if part.key not in known:
                return part
            return All(()) if holds(part, facts) else AnyOf(())
        if isinstance(part, Not):
            return Not(settled(part.part))
        return type(part)(tuple(map(settled, part.parts)))

    return settled(condition)
