"""The bench as it is run: results, tables and pictures from one command, and the same cases not computed twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import mhgan_bundle
import numpy as np
import pytest

from inference.errors import ModelRefused
from inference.look import TOP, profile
from training.evaluate.__main__ import main
from training.evaluate.contestants import Identity, Oracle, Scaling, harmonizers
from training.evaluate.e1 import SimulatedCase
from training.evaluate.metrics import distance
from training.evaluate.people import People
from training.evaluate.results import Results, Row
from training.evaluate.sets import SETS
from training.evaluate.splits import read_splits
from training.evaluate.tables import best_classical, report
from training.evaluate.trial import Trial
from training.simulate.head import Head

COARSE = replace(SETS["quick"], spacing_mm=6, head_mm=6, corruptions=("exp", "field 0.2 + 0.05"))
"""What is run here: what a scan shows is tested elsewhere, and each corruption, too."""


@pytest.fixture(scope="module", autouse=True)
def quick_is_coarse(drawn: Callable[[int, float], Head]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.evaluate.people.procedural_head", drawn)
        patch.setitem(SETS, "quick", COARSE)
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    out = tmp_path_factory.mktemp("out")
    assert main(arguments(out, cache)) == 0
    return out


def arguments(out: Path, cache: Path, *more: str) -> list[str]:
    return ["all", "--models", "harmonize-nyul", "--set", "quick", "--out", str(out), "--cache", str(cache),
            "--workers", "1", *more]  # fmt: skip


def rows_in(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


@pytest.fixture(scope="module")
def trial(cache: Path) -> Trial:
    people = People(read_splits(), None, cache, COARSE.head_mm, COARSE.spacing_mm, COARSE.drawn_only)
    references = people.references("procedural-1000", COARSE.references)
    return SimulatedCase("procedural-1000", "siemens-3t", "gamma 0.7", references).trial(people)


def test_every_experiment_writes_results_tables_and_its_environment(ran: Path) -> None:
    for name in ("e1", "e2", "e3"):
        rows = list(rows_in(ran / name / "results.csv"))
        assert {row["experiment"] for row in rows} == {name}
        assert {"identity", "harmonize-nyul"} <= {row["model"] for row in rows}
        text = (ran / name / "tables.md").read_text(encoding="utf-8")
        assert "no label maps, no real volumes" in text
        assert "For research use" in text
        environment = json.loads((ran / name / "environment.json").read_text(encoding="utf-8"))
        assert set(environment["seconds_a_volume"]) == set(environment["contestants"])
    assert (ran / "e1" / "plots" / "psnr.png").is_file()
    assert (ran / "e1" / "plots" / "psnr-families.png").is_file()
    assert list((ran / "e3" / "pictures").glob("*.png"))
    for name in ("e1", "e3"):
        assert {"identity.png", "harmonize-nyul.png"} <= {path.name for path in (ran / name / "ranked").iterdir()}
        assert list((ran / name / "plots").glob("histograms-*.png"))
    assert (ran / "e2" / "plots" / "accuracy-resnet.png").is_file()


def test_resuming_computes_nothing_twice(ran: Path, cache: Path) -> None:
    before = (ran / "e1" / "results.csv").read_bytes()
    tables = (ran / "e1" / "tables.md").read_bytes()
    assert main(["e1", *arguments(ran, cache, "--resume")[1:]]) == 0
    assert (ran / "e1" / "results.csv").read_bytes() == before
    assert (ran / "e1" / "tables.md").read_bytes() == tables


def test_the_oracle_is_above_every_monotone_map(ran: Path) -> None:
    values: dict[str, dict[str, float]] = {}
    for row in rows_in(ran / "e3" / "results.csv"):
        if row["metric"] == "psnr":
            values.setdefault(row["case"], {})[row["model"]] = float(row["value"])
    assert len(values) == 3
    for models in values.values():
        assert models["oracle curve"] == max(models.values())


def test_a_model_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["e1", "--models", "harmonize-nyull", "--out", str(tmp_path)]) == 2
    assert "did you mean 'harmonize-nyul'" in capsys.readouterr().err


def test_truth_has_the_scale_of_a_look_and_the_source_another(trial: Trial) -> None:
    assert profile(trial.truth).anchor == pytest.approx(TOP, rel=0.02)
    assert trial.look.deep.shape[0] == 2
    source, truth = trial.source.voxels[trial.mask], trial.truth.voxels[trial.mask]
    assert np.corrcoef(np.argsort(np.argsort(source)), np.argsort(np.argsort(truth)))[0, 1] > 0.999


def test_identity_knows_the_scale_and_the_oracle_the_curve(trial: Trial) -> None:
    psnr = {
        each.name: distance(each.harmonized(trial, contrast="T1").voxels, trial.truth.voxels, trial.mask)["psnr"]
        for each in (Identity(), Scaling(), Oracle())
    }
    assert psnr["identity"] < psnr["oracle curve"] - 10
    assert psnr["scaling"] < psnr["oracle curve"] - 5


def test_a_contrast_outside_of_the_contract_is_refused_with_its_reason(trial: Trial) -> None:
    (nyul,) = harmonizers(["harmonize-nyul"], [])
    with pytest.raises(ModelRefused, match="the contrast is DIFFUSION"):
        nyul.harmonized(trial, contrast="DIFFUSION")


def test_a_model_that_takes_no_looks_is_given_the_name_of_the_scanner(trial: Trial, tmp_path: Path) -> None:
    mhgan_bundle.write(tmp_path)
    (model,) = harmonizers([mhgan_bundle.NAME], [tmp_path])
    made = model.harmonized(trial, contrast="T1")
    assert made.voxels.shape == trial.truth.voxels.shape
    assert np.corrcoef(made.voxels[trial.mask], trial.source.voxels[trial.mask])[0, 1] > 0.95
    with pytest.raises(ModelRefused, match="no target of this name"):
        model.harmonized(replace(trial, target=None), contrast="T1")


def row(model: str, subject: str, value: float, *, family: str = "exp") -> Row:
    return Row("e1", f"e1/g/{subject}/{family}/x", "g", family, subject, "T1", model, "d", "c", "psnr", value)


def test_tables_state_differences_worst_cases_and_when_a_test_is_not_possible() -> None:
    rows = [row("identity", f"p{k}", 20 + k) for k in range(7)]
    rows += [row("harmonize-n4", f"p{k}", 22 + k * 1.1) for k in range(7)]
    rows += [row("new", f"p{k}", 25 + k * 1.2 - 9 * (k == 3)) for k in range(7)]
    text = report(rows)
    assert "harmonize-n4, the best classical method here" in text
    assert "p3/exp/x" in text
    assert "6 of 7" in text
    assert "(n=7)" in text
    assert "n=2: too few" in report([each for each in rows if each.subject in {"p0", "p1"}])


def test_the_best_classical_method_is_none_without_one() -> None:
    assert best_classical({"identity": {"a": row("identity", "p", 1)}}) is None


def test_results_that_were_written_are_read_back_and_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    Results(path, resume=False).add([row("a", "p", 1.25), row("a", "p", 2.5)])
    again = Results(path, resume=True)
    assert [each.value for each in again.rows()] == [2.5]
    assert again.done() == {("d", "e1/g/p/exp/x", "c")}
    assert Results(path, resume=False).rows() == ()
