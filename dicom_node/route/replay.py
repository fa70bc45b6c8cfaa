"""What a change of the rules would change: the decisions of two rules files on the same facts."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.domain.facts import Facts
from dicom_node.route.matcher import matching
from dicom_node.route.schema import RulesFile


@dataclass(frozen=True, slots=True)
class Decision:
    """One output that a rule asks for.

    Attributes
    ----------
    rule
        Its name.
    run
        Model and target, as JSON.
    send
        Destinations with their settings, as JSON: a PACS that moved is another decision.
    when
        Priority and window, in words.
    """

    rule: str
    run: str
    send: tuple[tuple[str, str], ...]
    when: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.run} to {', '.join(name for name, _ in self.send)}, {self.when}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What one file decides and the other does not, in the order of the files."""

    added: tuple[Decision, ...]
    removed: tuple[Decision, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


def decisions(facts: Facts, rules: RulesFile) -> tuple[Decision, ...]:
    """Return every output that the rules ask for of a stack."""
    return tuple(
        Decision(
            rule.name,
            run.identity,
            tuple((name, rules.destinations[name].model_dump_json()) for name in rule.send),
            rule.priority + (f" {rules.windows[rule.during].window}" if rule.during else ""),
        )
        for rule in matching(facts, rules)
        for run in rule.run
    )


def difference(facts: Facts, now: RulesFile, proposed: RulesFile) -> Difference:
    """Compare what two files decide on one stack."""
    old, new = decisions(facts, now), decisions(facts, proposed)
    return Difference(
        added=tuple(each for each in new if each not in old), removed=tuple(each for each in old if each not in new)
    )
