"""What pictures and plots of cases show: the right cases, in the unit of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import phantom
import pytest

from inference.look import TOP, look_of
from training.evaluate import case_pictures
from training.evaluate.accuracy_plots import draw_accuracies
from training.evaluate.case_planes import keep_planes, planes_of
from training.evaluate.contestants import Identity
from training.evaluate.histogram_plots import draw_histograms, overlap
from training.evaluate.plots import draw_plots
from training.evaluate.results import Row
from training.evaluate.trial import Label, Trial, anchored


@pytest.fixture(scope="module")
def trial() -> Trial:
    truth = anchored(phantom.head())
    source = truth.with_voxels(truth.voxels / np.float32(4))
    return Trial(source, truth, look_of([truth], contrast="T1"), None, phantom.inside(truth), 4.0)


def row(model: str, case: str, value: float, *, metric: str = "psnr", family: str = "exp") -> Row:
    return Row("e1", case, "g", family, "p", "T1", model, f"{model}-1", "d", metric, value)


LABELS = [Label("e1", "g", "exp", f"p{number}", "T1", "x") for number in range(3)]


@pytest.fixture
def kept(trial: Trial, tmp_path: Path) -> Path:
    for label in LABELS:
        for model in ("identity", "new"):
            keep_planes(tmp_path / "cases", label, Identity(model, f"{model}-1"), trial, trial.source)
    return tmp_path / "cases"


def rows() -> list[Row]:
    values = {"identity": (20.0, 21.0, 22.0), "new": (25.0, 30.0, 18.0)}
    return [
        row(model, label.case, value)
        for model, each in values.items()
        for label, value in zip(LABELS, each, strict=True)
    ]


def test_source_and_truth_are_in_one_unit_so_that_their_difference_means_something(kept: Path) -> None:
    planes = planes_of(kept, rows()[0])
    assert planes is not None
    np.testing.assert_allclose(planes["source"], planes["truth"], rtol=2e-3, atol=0.5)
    assert np.median(planes["truth"][planes["truth"] > 0.1 * TOP]) > 0.3 * TOP
    np.testing.assert_allclose(planes["result"], planes["truth"] / 4, rtol=2e-3, atol=0.5)


def test_best_median_and_worst_are_by_psnr_and_told_beside_the_untouched(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, list[str]] = {}

    def note(model: str, lines: Mapping[str, Any], path: Path) -> None:
        drawn[model] = list(lines)

    monkeypatch.setattr(case_pictures, "_draw", note)
    case_pictures.draw_ranked(kept, rows(), tmp_path / "out")
    assert drawn["new"] == [
        "best: p1/exp/x, PSNR 30.0 dB, untouched 21.0",
        "median: p0/exp/x, PSNR 25.0 dB, untouched 20.0",
        "worst: p2/exp/x, PSNR 18.0 dB, untouched 22.0",
    ]
    assert drawn["identity"][0] == "best: p2/exp/x, PSNR 22.0 dB"


def test_cases_that_were_not_kept_are_left_out(kept: Path, tmp_path: Path) -> None:
    gone = [row("gone", label.case, 20.0) for label in LABELS]
    case_pictures.draw_ranked(kept, [*rows(), *gone], tmp_path / "out")
    draw_histograms(kept, [*rows(), *gone], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"identity.png", "new.png", "histograms-g.png"}


def test_histograms_that_are_the_same_overlap_wholly_and_others_by_what_they_share() -> None:
    one, other = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])
    assert (overlap(one, one), overlap(one, other)) == (1.0, 0.5)


def test_plots_are_drawn_where_a_model_has_no_value_for_a_pair_or_a_family(tmp_path: Path) -> None:
    told = [
        row(model, f"{model}/{pair}", 80.0, metric=f"{how}_resnet_percent", family=pair)
        for how in ("frozen", "retrained")
        for model, pairs in {"identity": ("a / b", "ge-15t / siemens-3t"), "new": ("a / b",)}.items()
        for pair in pairs
    ]
    draw_accuracies(told, tmp_path)
    draw_plots([*rows(), row("identity", "c", 24.0, family="gamma")], tmp_path)
    assert {"accuracy-resnet.png", "psnr-families.png"} <= {path.name for path in tmp_path.iterdir()}
    assert not (tmp_path / "accuracy-network.png").exists()
