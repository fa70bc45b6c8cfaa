"""Protocol classification of E2: how well sites are told apart before and after, and by whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from training.evaluate.bench import rows_of
from training.evaluate.classifier import Slices, classifiers, pair_accuracies
from training.evaluate.contestants import Contestant
from training.evaluate.e2 import SiteCase, slices_path
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
        Of the network.

    Yields
    ------
    Accuracies of slices, in percent: ``frozen_<classifier>`` of one that learned from images as they are, and
    ``retrained_<classifier>`` of one that learned from the contestant's results; a row a pair of sites.
    """
    makers = classifiers(len(SITES), epochs)
    frozen = {name: make() for name, make in makers.items()}
    first = _slices(cases, untouched, folder, "train")
    for each in frozen.values():
        each.fit(first)
    for contestant in contestants:
        train, test = (_slices(cases, contestant, folder, side) for side in ("train", "test"))
        found: dict[tuple[int, int], dict[str, float]] = {pair: {} for pair in combinations(range(len(SITES)), 2)}
        for name, make in makers.items():
            retrained = make()
            retrained.fit(train)
            for how, classifier in (("frozen", frozen[name]), ("retrained", retrained)):
                for pair, accuracy in pair_accuracies(classifier.scores(test.images), test.sites).items():
                    found[pair][f"{how}_{name}_percent"] = 100 * accuracy
        sites = list(SITES)
        yield [
            row
            for (a, b), values in found.items()
            for row in rows_of(
                Label("e2", GROUP, f"{sites[a]} / {sites[b]}", "all", "T1", "pair"), contestant, "", values
            )
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
