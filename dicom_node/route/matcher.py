"""Which rules match a stack, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dicom_node.domain.facts import Facts, FactValue, Scalar
from dicom_node.route.clauses import All, AnyOf, Clause, Condition, Not, in_words
from dicom_node.route.operators import OPERATORS
from dicom_node.route.schema import Rule, RulesFile

NO_VALUE = "missing"


class Verdict(StrEnum):
    """What came of one clause."""

    MET = "met"
    NOT_MET = "not met"
    MISSING = "missing"  # the element is absent or empty, so that there was nothing to compare; counts as not met

    @classmethod
    def of(cls, holds: bool) -> Verdict:
        """Return `MET` or `NOT_MET`."""
        return cls.MET if holds else cls.NOT_MET


@dataclass(frozen=True, slots=True)
class FailedClause:
    """Why a rule does not match.

    Attributes
    ----------
    clause
        What was asked, as ``field_strength_t between [1.3, 1.7]``.
    value
        What the stack has: a JSON scalar, several values joined by backslashes as DICOM writes them, or ``missing``.
        It is a value from the header: for the admin's screen, never for a log.
    """

    clause: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What came of one rule; `failed` is empty where it matched."""

    name: str
    matched: bool
    failed: tuple[FailedClause, ...] = ()


def matching(facts: Facts, rules: RulesFile) -> tuple[Rule, ...]:
    """Return every rule that matches, in the order of the file, up to the first that matches and stops."""
    found = []
    for rule in rules.rules:
        if holds(rule.when.condition, facts):
            found.append(rule)
            if rule.stop:
                break
    return tuple(found)


def explain(facts: Facts, rules: RulesFile) -> tuple[RuleVerdict, ...]:
    """Return what came of every rule, in the order of the file."""
    return tuple(RuleVerdict(rule.name, not failed, failed) for rule, failed in _judged(facts, rules))


def holds(condition: Condition, facts: Facts) -> bool:
    """Tell whether a condition holds; it does where `explain` finds nothing that failed, which takes longer."""
    if isinstance(condition, Clause):
        return judge(condition, facts) is Verdict.MET
    if isinstance(condition, Not):
        return not holds(condition.part, facts)
    is_all = isinstance(condition, All)
    for part in condition.parts:  # a loop, since every series goes through this for every rule
        if holds(part, facts) is not is_all:
            return not is_all
    return is_all


def judge(clause: Clause, facts: Facts) -> Verdict:
    """Ask one clause of a stack; of several values one is enough."""
    operator = OPERATORS[clause.operator]
    value = facts.get(clause.key)
    if operator.asks_presence:
        return Verdict.of(operator.holds(is_there=value is not None, operand=clause.operand))
    if value is None:
        return Verdict.MET if clause.is_lenient else Verdict.MISSING
    if isinstance(value, tuple):
        return Verdict.of(any(operator.holds(each, clause.operand) for each in value))
    return Verdict.MET if operator.holds(value, clause.operand) else Verdict.NOT_MET


def _judged(facts: Facts, rules: RulesFile) -> Iterator[tuple[Rule, tuple[FailedClause, ...]]]:
    """Give each rule with what it failed by: nothing where it matches."""
    stopped_by: str | None = None
    for rule in rules.rules:
        if stopped_by is not None:
            yield rule, (FailedClause(f"stopped by rule '{stopped_by}'", "matched"),)
            continue
        failed = tuple(_failed(rule.when.condition, facts))
        if rule.stop and not failed:
            stopped_by = rule.name
        yield rule, failed


def _failed(condition: Condition, facts: Facts) -> Iterator[FailedClause]:
    """Give the clauses by which a condition fails; none where it holds."""
    if isinstance(condition, Clause):
        if judge(condition, facts) is not Verdict.MET:
            yield FailedClause(condition.text, _value(condition, facts))
    elif isinstance(condition, All):
        for part in condition.parts:
            yield from _failed(part, facts)
    elif isinstance(condition, AnyOf):
        reasons = [tuple(_failed(part, facts)) for part in condition.parts]
        if all(reasons):
            for failed in (each for reason in reasons for each in reason):
                yield FailedClause(f"any of: {failed.clause}", failed.value)
    elif holds(condition.part, facts):
        yield FailedClause(in_words(condition), _values(condition.part, facts))


def _values(condition: Condition, facts: Facts) -> Scalar:
    """Return the value that a `not` met, or all of them with their keys."""
    clauses = {clause.key: clause for clause in _clauses(condition)}
    if len(clauses) == 1:
        return _value(next(iter(clauses.values())), facts)
    return ", ".join(f"{key}={_value(clause, facts)}" for key, clause in clauses.items())


def _clauses(condition: Condition) -> Iterator[Clause]:
    if isinstance(condition, Clause):
        yield condition
    else:
        for part in (condition.part,) if isinstance(condition, Not) else condition.parts:
            yield from _clauses(part)


def _value(clause: Clause, facts: Facts) -> Scalar:
    value: FactValue | None = facts.get(clause.key)
    if value is None:
        return NO_VALUE
    return "\\".join(map(str, value)) if isinstance(value, tuple) else value
