"""Protocol classification by a residual network a pair of sites, beside the seed's figures."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage

from training.evaluate.classifier import Slices
from training.evaluate.pairwise import SEEDS, PairwiseResNet, judges
from training.evaluate.results import Row
from training.evaluate.tables import protocol_report
from training.simulate.sites import SITES


def _slices(people: int, seed: int) -> Slices:
    """Return slices of three sites: the last is noisy, the others are alike."""
    rng = np.random.default_rng(seed)
    images = ndimage.gaussian_filter(rng.normal(0, 1, (3 * people, 48, 40)), (0, 3, 3)) * 900 + 500
    sites = np.tile(np.arange(3), people)
    images += rng.normal(0, 1, images.shape) * np.where(sites == 2, 250, 20)[:, None, None]
    return Slices(images.astype(np.float32), sites)


def test_a_network_a_pair_tells_sites_that_differ_and_not_those_that_do_not() -> None:
    judge = PairwiseResNet(12)
    judge.fit(_slices(32, seed=0))
    accuracies = judge.accuracies(_slices(24, seed=1))
    assert accuracies[0, 2] > 0.9
    assert accuracies[1, 2] > 0.9
    assert 0.25 < accuracies[0, 1] < 0.75


def test_every_judge_answers_for_every_pair_and_the_same_slices_give_the_same_answer() -> None:
    train, test = _slices(6, seed=0), _slices(6, seed=1)
    for name, make in judges(3, 1).items():
        told = []
        for _ in range(2):
            judge = make()
            judge.fit(train)
            told.append(judge.accuracies(test))
        assert told[0] == told[1], name
        assert set(told[0]) == set(combinations(range(3), 2))


def test_the_seeds_figures_stand_beside_ours_pair_by_pair() -> None:
    assert set(SEEDS) == {f"{a} / {b}" for a, b in combinations(SITES, 2)}
    assert np.mean([before for before, _ in SEEDS.values()]) == pytest.approx(90.3213, abs=1e-3)
    assert np.mean([after for _, after in SEEDS.values()]) == pytest.approx(62.5544, abs=1e-3)
    rows = [
        Row("e2", f"e2/protocol/all/{pair}/pair", "protocol", pair, "all", "T1", "identity", "d", "", metric, 80.0)
        for pair in SEEDS
        for metric in ("frozen_resnet_percent", "retrained_resnet_percent")
    ]
    text = protocol_report(rows)
    assert "resnet, frozen, %" in text
    assert "| before | 90.3 |" in text
    assert "| after | 62.6 |" in text
