"""Protocol classification of E2: how well sites are told apart before and after, and by whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from training.evaluate.bench import rows_of
from training.evaluate.classifier import Slices
from training.evaluate.contestants import Contestant
from training.evaluate.e2 import SiteCase, slices_path
from training.evaluate.pairwise import Judge, judges
from training.evaluate.results import Row
from training.evaluate.splits import Side
from training.evaluate.trial import Label
from training.simulate.sites import SITES

GROUP = "protocol"


def classified(
    cases: Sequence[SiteCase], contestants: Sequence[Contestant], folder: Path, *, untouched: Contestant, epochs: int
) -> Iterator[list[Row]]:
    """Train classifiers on the people to train with, and test them on the others; yield rows a contestant.

    Parameters
    ----------
    cases
        All of a set.
    contestants
        Those whose slices are kept.
    folder
        Of the slices.
    untouched
        Among them, the one that leaves images as they are but for a factor: frozen classifiers learn from its slices.
    epochs
        Of the networks.

    Yields
    ------
    Accuracies of slices, in percent: ``frozen_<classifier>`` of one that learned from images as they are, and
    ``retrained_<classifier>`` of one that learned from the contestant's results; a row a pair of sites.
    """
    makers = judges(len(SITES), epochs)
    frozen = {name: make() for name, make in makers.items()}
    for classifier in frozen.values():
        classifier.fit(_slices(cases, untouched, folder, "train"))
    for contestant in contestants:
        train, test = (_slices(cases, contestant, folder, side) for side in ("train", "test"))
        retrained = {name: make() for name, make in makers.items()}
        for classifier in retrained.values():
            classifier.fit(train)
        yield _rows(contestant, test, {"frozen": frozen, "retrained": retrained})


def _rows(contestant: Contestant, test: Slices, asked: Mapping[str, Mapping[str, Judge]]) -> list[Row]:
    sites = list(SITES)
    values: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for how, by_name in asked.items():
        for name, judge in by_name.items():
            for pair, accuracy in judge.accuracies(test).items():
                values[pair][f"{how}_{name}_percent"] = 100 * accuracy
    return [
        row
        for (a, b), found in values.items()
        for row in rows_of(Label("e2", GROUP, f"{sites[a]} / {sites[b]}", "all", "T1", "pair"), contestant, "", found)
    ]


def complete(cases: Sequence[SiteCase], contestant: Contestant, folder: Path) -> bool:
    """Tell whether a contestant took every case."""
    return all(slices_path(folder, contestant, case).is_file() for case in cases)


def _slices(cases: Sequence[SiteCase], contestant: Contestant, folder: Path, side: Side) -> Slices:
    sites, images, numbers = list(SITES), [], []
    for case in cases:
        if case.side == side:
            held = np.load(slices_path(folder, contestant, case), allow_pickle=False)
            images.append(held)
            numbers += [sites.index(case.site)] * len(held)
    return Slices(np.concatenate(images).astype(np.float32), np.array(numbers))
