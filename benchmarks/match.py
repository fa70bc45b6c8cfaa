"""How many series a second are matched against a long rules file, and what telling why costs beside it: ``make bench``.

The rules are drawn at random around what a large site might write: 200, with four clauses each on average. One process,
one core; header facts are those of the simulated scanners.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from dicom_node.domain.facts import Facts
from dicom_node.route.clauses import parse_when
from dicom_node.route.matcher import explain, matching
from dicom_node.route.schema import Rule, RulesFile, Run

RULES, SERIES, RUNS = 200, 200, 5

_VENDORS = ("Siemens", "GE", "Philips", "Canon", "UIH")
_CONTRASTS = ("T1", "T2", "PD", "FLAIR")
_DESCRIPTIONS = ("t1_mprage_sag", "Sag 3D T1 FSPGR", "3D FLAIR", "AX T2 TSE", "sT1W_3D_TFE")


def a_rule(rng: random.Random, number: int) -> Rule:
    """Write a rule as a site might: the scanner, what it made, and now and then an exception."""
    when: dict[str, Any] = {"Modality": "MR", "manufacturer": rng.choice(_VENDORS)}
    tesla = rng.choice((1.5, 3.0))
    when["field_strength_t"] = {"between": [tesla - 0.2, tesla + 0.2]}
    when["contrast"] = {"one_of": rng.sample(_CONTRASTS, 2)}
    if rng.random() < 0.5:
        when["SeriesDescription"] = {"matches": f"(?i){rng.choice(('t1', 'flair', 'tse', 'tfe'))}"}
    if rng.random() < 0.3:
        when["not"] = {"StationName": f"MR{rng.randrange(20)}"}
    if rng.random() < 0.3:
        when["slices"] = {"at_least": rng.randrange(40, 200)}
    return Rule(name=f"rule {number}", when=parse_when(when), run=Run(model="m"), send=("pacs",))


def a_series(rng: random.Random) -> Facts:
    """Return the facts of an MR series."""
    header = {"Modality": "MR", "SeriesDescription": rng.choice(_DESCRIPTIONS), "StationName": f"MR{rng.randrange(20)}"}
    derived = {
        "manufacturer": rng.choice(_VENDORS), "field_strength_t": rng.choice((1.494, 2.8936)),
        "contrast": rng.choice(_CONTRASTS), "slices": rng.randrange(20, 240),
    }  # fmt: skip
    return Facts(header, derived)


def rate(work: Callable[[Facts, RulesFile], object], series: Sequence[Facts], rules: RulesFile) -> float:
    """Return series a second of CPU time, the median of some runs."""
    taken = []
    for _ in range(RUNS):
        started = time.process_time()
        for facts in series:
            work(facts, rules)
        taken.append(time.process_time() - started)
    return len(series) / statistics.median(taken)


def main() -> None:
    """Measure, print."""
    rng = random.Random(0)
    rules = tuple(a_rule(rng, number) for number in range(RULES))
    file = RulesFile.model_construct(version=1, destinations={}, rules=rules)
    series = [a_series(rng) for _ in range(SERIES)]
    matched, explained = rate(matching, series, file), rate(explain, series, file)
    print(f"{RULES} rules: {matched:.0f} series/s matched, {explained:.0f} explained, {matched / explained:.1f} to 1")


if __name__ == "__main__":
    main()
