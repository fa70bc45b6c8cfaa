"""Values on which clauses about one key could differ: if none of them meets them, none does."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from itertools import islice, pairwise, product
from typing import Any

from dicom_node.domain.facts import Scalar
from dicom_node.route.clauses import Clause
from dicom_node.route.keys import Key, Kind
from dicom_node.route.moments import DAY, SECOND, Moment, is_moment
from dicom_node.route.operands import BadOperand, Pattern, pattern
from dicom_node.route.operators import OPERATORS

MAX_TEXTS = 64
_BETWEEN = "\x1f"
"""Stands between the parts of a made-up text: no clause asks for it."""
_PLAIN = re.compile(r"\(\?i\)([\w -]+(?:\|[\w -]+)*)", re.ASCII)


class Exactness(Enum):
    """How much a witness says about text."""

    EXACT = auto()  # as it stands in the header
    FOLDED = auto()  # without its case
    MADE_UP = auto()  # one of many that hold the same words
    SAMPLED = auto()  # a number or moment, which may be written in other ways


@dataclass(frozen=True, slots=True)
class Witness:
    """A value to try."""

    value: Scalar
    exactness: Exactness


def witnesses(key: Key, met: Sequence[Clause], failed: Sequence[Clause]) -> list[Witness] | None:
    """Return the values of a key among which there is one that meets `met` and fails `failed`, if there is any.

    None where that cannot be said.
    """
    clauses = [*met, *failed]
    if key.values:
        return [Witness(value, Exactness.EXACT) for value in key.values]
    if key.kind is Kind.FLAG:
        return [Witness(value, Exactness.EXACT) for value in (True, False)]
    if is_moment(key.kind):
        return _moments(key.kind, clauses)
    if key.kind is Kind.NUMBER:
        return [Witness(value, Exactness.SAMPLED) for value in _numbers(clauses, is_whole=key.is_whole)]
    pinned = next((clause for clause in met if clause.operator in ("equals", "one_of")), None)
    if pinned is not None:
        return [_pinned(value) for value in _each(pinned)]
    texts = _texts(met)
    if texts is None or key.kind is Kind.TEXT:
        return texts
    return texts + [Witness(value, Exactness.SAMPLED) for value in _numbers(clauses, is_whole=False)]


def may_hold(clause: Clause, witness: Witness, key: Key) -> bool:
    """Tell whether a value of which the witness is an example could meet the clause."""
    if not _is_about_text(clause, witness):
        return OPERATORS[clause.operator].holds(witness.value, clause.operand)
    if witness.exactness is Exactness.SAMPLED or key.kind is Kind.OPEN:
        return True
    if _alternatives(clause.operand) is None:
        return witness.exactness is Exactness.MADE_UP or _found_in_any_case(clause.operand, witness.value)
    return bool(clause.operand.found_in(witness.value))


def must_hold(clause: Clause, witness: Witness, key: Key) -> bool:
    """Tell whether every value of which the witness is an example meets the clause."""
    if not _is_about_text(clause, witness):
        return OPERATORS[clause.operator].holds(witness.value, clause.operand)
    if witness.exactness is Exactness.SAMPLED or key.kind is Kind.OPEN:
        return False
    if _alternatives(clause.operand) is None and witness.exactness is Exactness.MADE_UP:
        return False
    return bool(clause.operand.text.startswith("(?i)") and clause.operand.found_in(witness.value))


def _is_about_text(clause: Clause, witness: Witness) -> bool:
    """Tell whether a witness that is not the very text leaves something open."""
    if witness.exactness is Exactness.EXACT:
        return False
    of_samples = clause.operator == "contains" and witness.exactness is Exactness.SAMPLED
    return clause.operator == "matches" or of_samples


def _pinned(value: Any) -> Witness:
    return Witness(value, Exactness.FOLDED if isinstance(value, str) else Exactness.SAMPLED)


def _each(clause: Clause) -> tuple[Any, ...]:
    return clause.operand if isinstance(clause.operand, tuple) else (clause.operand,)


# --- text


def _texts(met: Sequence[Clause]) -> list[Witness] | None:
    """Return texts that hold what `contains` and plain expressions ask for, and nothing else."""
    asked: list[tuple[str, ...]] = []
    for clause in met:
        if clause.operator == "contains":
            asked.append((clause.operand,))
        elif clause.operator == "matches" and (words := _alternatives(clause.operand)):
            asked.append(words)
    made = list(islice(product(*asked), MAX_TEXTS + 1))
    if len(made) > MAX_TEXTS:
        return None
    return [Witness(_BETWEEN + _BETWEEN.join(words) + _BETWEEN, Exactness.MADE_UP) for words in made]


def _alternatives(operand: Pattern) -> tuple[str, ...] | None:
    """Return the words of ``(?i)t1|mprage``, None for an expression that is more than a choice of words."""
    found = _PLAIN.fullmatch(operand.text)
    return tuple(word.casefold() for word in found[1].split("|")) if found else None


def _found_in_any_case(operand: Pattern, value: Scalar) -> bool:
    text = str(value)
    if not text.isascii() or "(?" in operand.text.removeprefix("(?i)"):
        return True
    try:
        loose = pattern(f"(?i){operand.text}", Key("", Kind.TEXT))
    except BadOperand:  # four characters longer than what is allowed
        return True
    return loose.found_in(text)


# --- numbers and moments


def _numbers(clauses: Sequence[Clause], *, is_whole: bool) -> list[float]:
    points = sorted({value for value in _operands(clauses) if isinstance(value, float)})
    tried = set(_around(points))
    if not is_whole:
        return sorted(tried)
    return sorted({float(whole) for value in tried for whole in (math.floor(value), math.ceil(value))})


def _around(points: Sequence[float]) -> Iterator[float]:
    """Yield the points, one value between each two, and one beyond either end."""
    yield from points or (0.0,)
    yield from ((one + other) / 2 for one, other in pairwise(points))
    if points:
        yield from (points[0] - 1 - abs(points[0]), points[-1] + 1 + abs(points[-1]))


def _operands(clauses: Sequence[Clause]) -> Iterator[Any]:
    return (value for clause in clauses if clause.operator != "matches" for value in _each(clause))


def _moments(kind: Kind, clauses: Sequence[Clause]) -> list[Witness] | None:
    asked = [value for value in _operands(clauses) if isinstance(value, Moment)]
    if any(value.offset is not None for value in asked):
        return None
    points = sorted({point for value in asked for point in (value.first - 1, value.first, value.last, value.last + 1)})
    tried = [*points, *((one + other) // 2 for one, other in pairwise(points))] or [0]
    written = {text for point in tried for text in _written(kind, point)}
    return [Witness(text, Exactness.SAMPLED) for text in sorted(written)]


def _written(kind: Kind, at: int) -> Iterable[str]:
    """Return how DICOM writes a moment; nothing where it cannot."""
    if kind is Kind.AGE:
        lengths = {"D": DAY, "W": 7 * DAY, "M": 1461 * DAY // 48, "Y": 1461 * DAY // 4}
        counts = ((at // length + more, unit) for unit, length in lengths.items() for more in (0, 1))
        return [f"{count:03d}{unit}" for count, unit in counts if 0 <= count <= 999]
    day, rest = divmod(at, DAY)
    seconds, fraction = divmod(rest, SECOND)
    clock = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}.{fraction:06d}"
    if kind is Kind.TIME:
        return [clock] if day == 0 else []
    if not 1 <= day <= date.max.toordinal():
        return []
    text = date.fromordinal(day).isoformat().replace("-", "")
    return [text if kind is Kind.DATE else text + clock]
