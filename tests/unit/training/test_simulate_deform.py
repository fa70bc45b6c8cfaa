"""Deformed heads: another person of the same kind, at the same place, made of the same tissues."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.deform import deformed
from training.simulate.head import Head
from training.simulate.tissues import Tissue


def _top_mm(head: Head) -> float:
    return float(head.affine[2, 0] * np.flatnonzero((head.labels > 0).any(axis=(1, 2)))[-1] + head.affine[2, 3])


def test_the_same_seed_deforms_alike_and_another_seed_otherwise(head: Head) -> None:
    first, again, other = (deformed(head, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.labels, again.labels)
    assert first.seed == again.seed
    assert other.seed not in (first.seed, head.seed)
    assert first.labels.shape != other.labels.shape or not np.array_equal(first.labels, other.labels)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tissues_keep_their_shares_and_the_top_its_height(head: Head, seed: int) -> None:
    other = deformed(head, seed=seed)
    assert _top_mm(other) == pytest.approx(_top_mm(head))
    assert np.allclose(np.linalg.norm(other.affine[:3, :3], axis=0), np.linalg.norm(head.affine[:3, :3], axis=0))
    brain = (Tissue.GREY_MATTER, Tissue.WHITE_MATTER, Tissue.CSF)
    for tissue in brain:
        share = other.millilitres(tissue) / other.millilitres(*brain)
        assert share == pytest.approx(head.millilitres(tissue) / head.millilitres(*brain), rel=0.1)
    assert 0.7 < other.millilitres(*brain) / head.millilitres(*brain) < 1.4


def test_without_any_amount_of_change_only_the_pose_changes(head: Head) -> None:
    other = deformed(head, seed=4, bend_mm=0.0, scale=0.0)
    for tissue in (Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.CSF):
        assert other.millilitres(tissue) == pytest.approx(head.millilitres(tissue), rel=0.02)
