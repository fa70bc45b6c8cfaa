"""E4 as it is run: the truth scores as right, tables, pictures and a resumed run that computes nothing twice."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from inference.ct.body import find_body
from inference.ct.hounsfield import HOUNSFIELD
from inference.errors import ModelRefused
from inference.volume import Volume
from training.evaluate.__main__ import main
from training.evaluate.e4 import CtTrial, RealHead, SimulatedHead, cases, measures
from training.evaluate.experiments import Settings, synthesize
from training.evaluate.people import WITH_CELLS, People
from training.evaluate.planning import PLANNING, USUAL
from training.evaluate.sets import SETS
from training.evaluate.splits import read_splits
from training.simulate.unseen import UNSEEN

QUICK = SETS["quick"]


@dataclass(frozen=True, slots=True)
class Plain:
    """One value in the body; it refuses a contrast."""

    name: str
    hounsfield: float
    refused: str | None = None

    @property
    def digest(self) -> str:
        return f"digest-of-{self.name}"

    def synthesized(self, source: Volume, *, contrast: str) -> Volume:
        if contrast == self.refused:
            raise ModelRefused(f"it takes no {contrast}")
        voxels = np.where(find_body(source), self.hounsfield, -1024).astype(np.float32)
        return Volume(voxels, source.affine, HOUNSFIELD)


CONTESTANTS = (Plain("synth-ct-water", 0), Plain("brain", 40, refused="FLAIR"))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    cache = tmp_path_factory.mktemp("cache")
    return People(read_splits(), None, cache, QUICK.head_mm, QUICK.e4_spacing_mm, QUICK.drawn_only)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, people: People) -> Path:
    out = tmp_path_factory.mktemp("out")
    synthesize("e4", people, CONTESTANTS, Settings("quick", out))
    return out


@pytest.fixture(scope="module")
def trial(people: People) -> CtTrial:
    return SimulatedHead(f"procedural-1000{WITH_CELLS}", USUAL[0]).trial(people)


def test_the_truth_scores_as_right(trial: CtTrial) -> None:
    assert trial.answer is not None
    found = measures(trial.answer.ct, trial)
    assert found["mae_hu"] == found["mae_wide_hu"] == found["path_median_percent"] == found["path_p95_percent"] == 0
    assert found["bone_dice"] == found["air_dice"] == found["ms_ssim"] == 1
    assert found["path_gamma_1_percent"] == 100
    assert found["vault_holes"] == found["true_vault_holes"]


def test_a_shift_scores_what_it_must(trial: CtTrial) -> None:
    assert trial.answer is not None
    truth = trial.answer.ct
    found = measures(truth.with_voxels(truth.voxels + np.float32(50)), trial)
    assert found["mae_hu"] == pytest.approx(50, rel=1e-4)
    assert [value for name, value in found.items() if name.startswith("bias_")] == pytest.approx([50] * 6, rel=1e-3)
    assert found["path_bias_percent"] > 1


def test_mr_and_true_ct_are_of_the_same_head_on_the_same_grid(trial: CtTrial) -> None:
    assert trial.answer is not None
    truth = trial.answer.ct
    assert truth.unit == HOUNSFIELD
    assert np.array_equal(truth.affine, trial.source.affine)
    assert np.median(truth.voxels[trial.head]) > -100
    assert (truth.voxels[~trial.head] < -400).mean() > 0.97
    bright = trial.source.voxels > np.percentile(trial.source.voxels, 80)
    assert (truth.voxels[bright] > -400).mean() > 0.99


def test_every_head_meets_the_usual_sequences_and_some_unseen_scanners(people: People) -> None:
    found = [case for case in cases(people, SETS["full"]) if isinstance(case, SimulatedHead)]
    by_head = {case.head: [each.protocol for each in found if each.head == case.head] for case in found}
    assert len(by_head) == 8
    assert all(sorted(protocols) == sorted(PLANNING) for protocols in by_head.values())
    held_out = people.splits.procedural.test
    assert all(held_out[0] <= int(head.split("-")[1].split("+")[0]) <= held_out[1] for head in by_head)


def test_scans_are_no_finer_than_the_set_nor_than_the_scanner(people: People) -> None:
    own, coarse = UNSEEN["ge-15t-2d-pd"], replace(people, spacing_mm=2.0)
    thick, thin = coarse.no_finer(own), coarse.no_finer(PLANNING["unseen ge-15t-2d-pd"])
    assert (thick.grid.spacing_mm, thick.grid.thickness_mm) == ((7.0, 2.0, 2.0), 5.0)
    assert (thin.grid.spacing_mm, thin.grid.thickness_mm) == ((3.0, 2.0, 2.0), 3.0)
    for site in (thick, thin):
        extent = np.multiply(site.grid.shape, site.grid.spacing_mm)
        assert extent == pytest.approx(np.multiply(own.grid.shape, own.grid.spacing_mm), abs=1.5)
        assert site.noise == pytest.approx(own.noise * 0.94 / 2)


def test_a_run_writes_results_tables_pictures_and_a_summary(ran: Path) -> None:
    text = (ran / "e4" / "tables.md").read_text(encoding="utf-8")
    for stated in ("in the head, unclipped, HU", "range 4024", "outside", "For research use", "it takes no FLAIR",
                   "against synth-ct-water", "drawn heads only"):  # fmt: skip
        assert stated in text
    with (ran / "e4" / "summary.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (water,) = [
        row for row in rows
        if (row["model"], row["metric"], row["sequence"]) == ("synth-ct-water", "mae_hu", "all")
    ]  # fmt: skip
    assert (water["people"], water["cases"]) == ("1", "6")
    assert 50 < float(water["mean"]) < 400
    assert {path.name for path in (ran / "e4" / "pictures").iterdir()} == {"synth-ct-water.png", "brain.png"}
    environment = json.loads((ran / "e4" / "environment.json").read_text(encoding="utf-8"))
    assert set(environment["contestants"]) == {"synth-ct-water", "brain"}


def test_resuming_computes_nothing_twice(ran: Path, people: People) -> None:
    before = (ran / "e4" / "results.csv").read_bytes()
    synthesize("e4", people, CONTESTANTS, Settings("quick", ran, resume=True))
    assert (ran / "e4" / "results.csv").read_bytes() == before


def test_a_harmonizer_is_not_judged_by_its_ct(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["e4", "--models", "harmonize-nyul", "--set", "quick", "--out", str(tmp_path)]) == 2
    assert "e4: none of the models is for it" in capsys.readouterr().err


def test_real_volumes_are_judged_without_a_truth(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    line = (np.arange(40) - 19.5) * 5
    radius = np.linalg.norm(np.stack(np.meshgrid(line, line, line, indexing="ij")), axis=0)
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[[2, 1, 0], [0, 1, 2]] = 5.0
    noise = np.random.default_rng(0).normal(0, 2, radius.shape)
    mr = Volume(np.abs(np.where(radius < 80, 300, 0) + noise).astype(np.float32), affine)
    monkeypatch.setattr(People, "real", lambda *_: mr)
    trial = RealHead("ixi", "ixi012", "T1").trial(people)
    found = measures(CONTESTANTS[0].synthesized(trial.source, contrast="T1"), trial)
    assert trial.answer is None
    assert set(found) == {"outline_dice", "bone_percent", "air_percent", "vault_open_percent", "vault_holes"}
    assert found["outline_dice"] > 0.98
