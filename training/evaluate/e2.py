"""E2: heads from four sites are brought to the look of one: whether the site still shows, and the anatomy is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from inference.errors import ModelRefused
from inference.look import TOP, profile
from inference.volume import Float32Array, Volume
from training.evaluate import structure
from training.evaluate.bench import rows_of
from training.evaluate.cache import digest_of
from training.evaluate.contestants import Contestant
from training.evaluate.e1 import site_look
from training.evaluate.metrics import data_range
from training.evaluate.people import WITH_LESIONS, People
from training.evaluate.results import REFUSED, Row
from training.evaluate.sets import EvaluationSet
from training.evaluate.splits import Side
from training.evaluate.structure import Anatomy
from training.evaluate.trial import Label, Trial, anchored
from training.simulate.grid import Grid
from training.simulate.sites import SITES
from training.simulate.tissues import Tissue

TARGET = "siemens-3t"

_EXTENT_MM = (240, 240, 200)
_SLICES_MM = (-16.0, 72.0)
"""Heights of the lowest and highest slice that classifiers see: where there is brain. The vertex is near 90."""

_STEP_MM = 4.0
_MEASURED_BY = tuple(Path(__file__).with_name(name) for name in ("e2.py", "structure.py"))


def common_grid(spacing_mm: float) -> Grid:
    """Return the axial grid that all sites scan on: matrix, plane and voxels are nothing to tell a site by."""
    slices, rows, columns = (round(extent / spacing_mm) for extent in _EXTENT_MM)
    return Grid("axial", (slices, rows, columns), (spacing_mm, spacing_mm, spacing_mm))


@dataclass(frozen=True, slots=True)
class SiteCase:
    """A head in a site.

    Attributes
    ----------
    head, site, side
        Their names; whether classifiers learn from it or are tested on it.
    references
        Heads of other people that the look of the target is taken from.
    """

    head: str
    site: str
    side: Side
    references: tuple[str, ...]

    @property
    def label(self) -> Label:
        """See `training.evaluate.trial.Case`."""
        subject = self.head.removesuffix(WITH_LESIONS)
        return Label("e2", f"structure, {self.side}", f"from {self.site}", subject, "T1", "scan")

    def trial(self, people: People) -> Trial:
        """Scan on the common grid; the truth is the same head in the target."""
        grid = common_grid(people.spacing_mm)
        source = people.scanned(self.head, people.site(self.site), grid=grid)
        truth = anchored(people.scanned(self.head, people.site(TARGET), grid=grid))
        look = site_look(people, TARGET, self.references)
        mask = people.mask(self.head, grid)
        return Trial(source, truth, look, TARGET, mask, TOP / profile(source).anchor)


def cases(people: People, chosen: EvaluationSet) -> Iterator[SiteCase]:
    """Yield all cases of a set; those to test on have lesions."""
    shares: Mapping[Side, tuple[int, int]] = {"train": chosen.e2_train, "test": chosen.e2_test}
    lesions: Mapping[Side, str] = {"train": "", "test": WITH_LESIONS}
    for side, (maps, drawn) in shares.items():
        for head in people.some(side, maps=maps, drawn=drawn):
            references = people.references(head, chosen.references)
            for site in SITES:
                yield SiteCase(head + lesions[side], site, side, references)


@dataclass(frozen=True, slots=True)
class StructureJob:
    """A head in a site for all contestants that have not been measured on it.

    Attributes
    ----------
    case, contestants, people, done
        As in `training.evaluate.bench.Job`.
    slices
        Folder for the slices of every result, for the classifiers.
    """

    case: SiteCase
    contestants: tuple[Contestant, ...]
    people: People
    done: frozenset[tuple[str, str, str]]
    slices: Path

    def __call__(self) -> list[Row]:
        """Harmonize, measure, keep slices. Heads to learn from are only harmonized."""
        trial = self.case.trial(self.people)
        label = self.case.label
        digest = digest_of(trial.digest, *(path.read_text(encoding="utf-8") for path in _MEASURED_BY))
        rows: list[Row] = []
        for contestant in self.contestants:
            path = slices_path(self.slices, contestant, self.case)
            if (contestant.digest, label.case, digest) in self.done and path.is_file():
                continue
            values, note = {REFUSED: 1.0}, ""
            try:
                began = time.perf_counter()
                result = contestant.harmonized(trial, contrast="T1")
                values = {"seconds": time.perf_counter() - began}
                if self.case.side == "test":
                    values |= self._measures(trial, contestant, result)
                np.save(path, _shown(result))
            except ModelRefused as refusal:
                note = str(refusal)
            rows += rows_of(label, contestant, digest, values, note=note)
        return rows

    def _measures(self, trial: Trial, contestant: Contestant, result: Volume) -> dict[str, float]:
        grid, mask = common_grid(self.people.spacing_mm), trial.mask
        labels = self.people.labels(self.case.head, grid)
        anatomy, lesions = Anatomy.of(labels, grid), labels == Tissue.LESION
        scaled = anchored(trial.source)
        again = contestant.harmonized(_with_source(trial, result), contrast="T1")
        span = data_range(trial.truth.voxels, mask)
        found = structure.segmented(result.voxels, anatomy)
        values = {
            "gradient_cosine": structure.gradient_cosine(scaled, result, mask),
            "flicker_percent": structure.flicker(result, mask),
            "idempotence_percent": _difference(again, result, mask) / span * 100,
            **structure.tissue_errors(found, anatomy),
            "cortex_drift_mm": structure.cortical_thickness_mm(found, anatomy)
            - structure.cortical_thickness_mm(structure.segmented(trial.truth.voxels, anatomy), anatomy),
            "lesion_contrast_ratio": structure.lesion_contrast(result.voxels, lesions, anatomy)
            / structure.lesion_contrast(scaled.voxels, lesions, anatomy),
        }
        if self.case.site == TARGET:
            values["identity_on_target_percent"] = _difference(result, scaled, mask) / span * 100
        return values


def slices_path(folder: Path, contestant: Contestant, case: SiteCase) -> Path:
    """Return where the slices of a result lie."""
    return folder / f"{contestant.digest}_{case.head}_{case.site}.npy"


@lru_cache(maxsize=1)
def _planes(spacing_mm: float) -> list[int]:
    affine = common_grid(spacing_mm).affine
    heights = np.arange(*_SLICES_MM, _STEP_MM)
    return sorted({round(float((height - affine[2, 3]) / affine[2, 0])) for height in heights})


def _shown(volume: Volume) -> Float32Array:
    """Return the slices that classifiers see."""
    return volume.voxels[_planes(volume.spacing_mm[0])]


def _with_source(trial: Trial, source: Volume) -> Trial:
    return Trial(source, trial.truth, trial.look, trial.target, trial.mask, 1.0)


def _difference(a: Volume, b: Volume, mask: np.ndarray) -> float:
    return float(np.abs(a.voxels[mask] - b.voxels[mask]).mean())
