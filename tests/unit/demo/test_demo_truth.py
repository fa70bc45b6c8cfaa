"""The truth of a simulated series: what is scanned, when, and how near source and result come to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicom_node.demo.comparison import Comparison, Distance, compare, distance
from dicom_node.demo.pair import Pair, Window, read_pair
from dicom_node.demo.truth import Scene, Truth, Truths, scanned
from dicom_node.demo.truth_picture import LIMIT_PERCENT, colours, draw_truths
from dicom_node.demo.virtual_scanner import ScannedSeries, demo_study, save_study
from inference.look import TOP, profile
from inference.volume import Volume
from training.simulate.grid import Grid
from training.simulate.head import procedural_head
from training.simulate.sites import GMC

WINDOW = Window(600, 1200)


class AtOnce(Executor):
    """Runs what is submitted at once, and counts."""

    def __init__(self) -> None:
        self.runs = 0

    def submit(self, run: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.runs += 1
        done: Future[Any] = Future()
        done.set_result(run(*args, **kwargs))
        return done


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(procedural_head(5, 4.0), Grid("sagittal", (48, 64, 64), (4.0, 4.0, 4.0)))


@pytest.fixture(scope="module")
def truth(scene: Scene) -> Truth:
    return scanned(scene, GMC)


@pytest.fixture(scope="module")
def philips() -> ScannedSeries:
    return demo_study(5, spacing_mm=4.0)[2]


# --- scanning it


def test_the_truth_has_the_scale_of_looks_and_knows_white_matter_and_the_head(truth: Truth) -> None:
    assert profile(truth.volume).anchor == pytest.approx(TOP, rel=0.02)
    assert 0.8 * TOP < truth.white_matter < 1.2 * TOP
    assert truth.volume.voxels[truth.inside].mean() > 20 * truth.volume.voxels[~truth.inside].mean()


def test_each_truth_is_scanned_once_however_often_its_job_changes(scene: Scene) -> None:
    pool = AtOnce()
    truths = Truths({"1.2": scene}, pool)
    for _ in range(3):
        truths.begin("1.2", "siemens-3t")
    found = truths.of("1.2", "siemens-3t")
    assert found is not None
    assert (found.scanner, pool.runs) == ("siemens-3t", 1)


@pytest.mark.parametrize(("series", "target"), [("1.3", "siemens-3t"), ("1.2", "added-by-a-hospital"), ("1.2", "")])
def test_of_ones_own_series_and_of_scanners_that_are_not_simulated_no_truth_is_known(
    scene: Scene, series: str, target: str
) -> None:
    pool = AtOnce()
    assert Truths({"1.2": scene}, pool).of(series, target) is None
    assert pool.runs == 0


def test_the_truth_lies_voxel_for_voxel_on_the_images_that_were_sent(philips: ScannedSeries, tmp_path: Path) -> None:
    files = {
        ds.SOPInstanceUID: path
        for ds, path in zip(philips.datasets, save_study([philips], tmp_path / "a"), strict=True)
    }
    for ds in philips.datasets:
        ds.SourceImageSequence = [type(ds)()]
        ds.SourceImageSequence[0].ReferencedSOPInstanceUID = ds.SOPInstanceUID
    same = read_pair("T1", files, save_study([philips], tmp_path / "b"))
    assert philips.scene is not None
    numbers = compare(same, scanned(philips.scene, GMC)).numbers
    assert numbers.edges == pytest.approx(1)
    assert 20 < numbers.before.psnr_db < 40  # one voxel aside it is 15


# --- the numbers


def flat(truth: Truth, values: float) -> Truth:
    voxels = np.full(truth.volume.voxels.shape, values, np.float32)
    return replace(truth, volume=truth.volume.with_voxels(voxels), white_matter=values)


def test_distance_is_that_of_the_definitions(truth: Truth) -> None:
    known = flat(truth, 500)
    found = distance(np.full(truth.inside.shape, 450, np.float32), known)
    assert found.psnr_db == pytest.approx(20 * math.log10(500 / 50))
    assert found.difference_percent == pytest.approx(10)


def test_what_lies_outside_the_head_does_not_count(truth: Truth) -> None:
    bright = np.where(truth.inside, truth.volume.voxels, 5000).astype(np.float32)
    assert distance(bright, truth).difference_percent == 0


def pair(before: Volume, after: Volume, per_unit: float = 1.0) -> Pair:
    return Pair("T1", before, after, WINDOW, per_unit)


def test_mere_scale_is_no_merit(truth: Truth) -> None:
    dim = truth.volume.with_voxels(truth.volume.voxels * np.float32(0.2))
    numbers = compare(pair(dim, truth.volume), truth).numbers
    assert numbers.before.difference_percent < 2
    assert numbers.after.difference_percent == 0


def test_a_result_is_taken_in_the_unit_of_its_model(truth: Truth) -> None:
    stored = truth.volume.with_voxels(truth.volume.voxels * np.float32(1.25))
    assert compare(pair(truth.volume, stored, 1.25), truth).numbers.after.difference_percent == pytest.approx(
        0, abs=1e-3
    )


def test_a_result_on_another_grid_is_not_compared(truth: Truth) -> None:
    moved = replace(truth.volume, affine=truth.volume.affine + np.eye(4)[:, [3, 0, 1, 2]])
    with pytest.raises(ValueError, match="another grid"):
        compare(pair(truth.volume, moved), truth)


@pytest.mark.parametrize(
    ("before", "after", "nearer", "word"),
    [
        ((20.0, 8.0), (22.0, 7.0), True, "nearer to the truth"),
        ((20.0, 8.0), (20.05, 7.9), False, "not better"),
        ((20.0, 8.0), (21.0, 8.5), False, "not better"),
        ((20.0, 8.0), (19.0, 7.0), False, "worse"),
    ],
)
def test_a_result_that_is_not_better_is_said_to_be_so(
    before: tuple[float, float], after: tuple[float, float], nearer: bool, word: str
) -> None:
    numbers = Comparison("siemens-3t", Distance(*before), Distance(*after), 1.0)
    assert numbers.is_nearer is nearer
    assert numbers.verdict.startswith(word)


# --- the picture


def test_no_difference_is_black_and_darker_is_not_the_colour_of_brighter() -> None:
    none, darker, brighter = colours(np.array([0, -LIMIT_PERCENT, 2 * LIMIT_PERCENT], np.float32))
    assert none.tolist() == [0, 0, 0]
    assert darker[2] > darker[0]
    assert brighter[0] > brighter[2]


def test_differences_are_drawn_inside_the_head_in_one_scale(truth: Truth) -> None:
    brighter = truth.volume.with_voxels(truth.volume.voxels + np.float32(0.1 * truth.white_matter))
    compared = compare(pair(truth.volume, brighter), truth)
    sheet = np.asarray(draw_truths([compared]))
    tiles = [sheet[44 : 44 + 256, 8 + n * 264 :][:, :256].astype(int) for n in range(5)]
    middle = [each[128, 128] for each in tiles]
    assert middle[3].max() <= 40  # the source is the truth, but for its own anchor
    assert middle[4].tolist() == pytest.approx(colours(np.float32([10]))[0].tolist(), abs=40)
    assert not tiles[4][:4].any()
