"""The people of the bench: heads from label maps or drawn ones, their scans, and real volumes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from inference.ct.hounsfield import HOUNSFIELD
from inference.volume import BoolArray, Volume
from training.evaluate.cache import Arrays, digest_of, kept, kept_arrays, simulator_digest
from training.evaluate.real import coarse, read_real
from training.evaluate.splits import RealVolume, Side, Splits
from training.simulate import ct, ct_tissues
from training.simulate.air_cells import pneumatised
from training.simulate.grid import Grid
from training.simulate.head import Head, procedural_head
from training.simulate.labelmap import labelmap_head
from training.simulate.lesions import with_lesions
from training.simulate.scan import scan
from training.simulate.sites import SITES, Site
from training.simulate.space import LabelArray
from training.simulate.truth import labels_on, truth_mask

LABELMAPS = "nifti/labelmaps"
WITH_LESIONS = "+lesions"
WITH_CELLS = "+cells"

_LESIONS = 8
_LESION_MM = 6.0

_ADDED: Mapping[str, Callable[[Head], Head]] = {
    WITH_LESIONS[1:]: lambda head: with_lesions(head, seed=0, count=_LESIONS, diameter_mm=_LESION_MM)[0],
    WITH_CELLS[1:]: pneumatised,
}


@dataclass(frozen=True, slots=True)
class People:
    """Heads and where they are scanned.

    Attributes
    ----------
    splits
        Who stands on which side.
    data
        Folder of real data; None where there is none: all heads are drawn then.
    cache
        Folder for scans that were made already.
    head_mm
        Voxels of the heads.
    spacing_mm
        About the voxels of all scans and real volumes.
    drawn_only
        Draw heads even where label maps are at hand.
    """

    splits: Splits = field(hash=False)
    data: Path | None
    cache: Path
    head_mm: float
    spacing_mm: float
    drawn_only: bool = False

    @property
    def has_labelmaps(self) -> bool:
        """Whether the label maps of real heads are at hand."""
        return self.data is not None and not self.drawn_only and (self.data / LABELMAPS).is_dir()

    def labelmaps(self, side: Side) -> tuple[str, ...]:
        """Return the names of the label-map heads of one side; none without data."""
        numbers: tuple[str, ...] = getattr(self.splits.labelmaps, side) if self.has_labelmaps else ()
        return tuple(f"labels-{number}" for number in numbers)

    def drawn(self, side: Side, count: int) -> tuple[str, ...]:
        """Return the names of the first drawn heads of one side."""
        first: int = getattr(self.splits.procedural, side)[0]
        return tuple(f"procedural-{seed}" for seed in range(first, first + count))

    def some(self, side: Side, *, maps: int, drawn: int = 0) -> tuple[str, ...]:
        """Return the names of some heads of one side; drawn ones stand in for label maps that are not there."""
        found = self.labelmaps(side)[:maps]
        return found + self.drawn(side, maps - len(found) + drawn)

    def references(self, name: str, count: int) -> tuple[str, ...]:
        """Return the heads that a look is taken from when this head is the truth: of its kind, on the training side."""
        return self.drawn("train", count) if name.startswith("procedural") else self.labelmaps("train")[:count]

    def head(self, name: str) -> Head:
        """Return a head by its name.

        `WITH_LESIONS` at the end of it puts lesions into its white matter; `WITH_CELLS` gives it the mastoid cells and
        teeth that `training.simulate.air_cells` invents.
        """
        plain, _, added = name.partition("+")
        kind, number = plain.split("-")
        if kind == "procedural" or self.data is None:
            head = _drawn(int(number), self.head_mm)
        else:
            head = _of_labels(self.data / LABELMAPS / f"synthseg_labels_{number}.nii.gz", self.head_mm)
        return _ADDED[added](head) if added else head

    def scanned(self, name: str, site: Site, *, grid: Grid | None = None) -> Volume:
        """Scan a head; the same head in the same site is the same scan.

        Parameters
        ----------
        name
            Of the head.
        site
            Where.
        grid
            Another than the site's, and finer or coarser.
        """
        site = replace(site, grid=grid or site.grid)
        seed = _seed_of(site.name)
        key = digest_of(simulator_digest(), name, self.head_mm, site, seed)
        return kept(self.cache / "scans", key, lambda: scan(self.head(name), site, seed=seed))

    def true_ct(self, name: str, grid: Grid) -> Volume:
        """Return the CT of a head on a grid, without noise; HU."""
        how = [Path(str(part.__file__)).read_text(encoding="utf-8") for part in (ct, ct_tissues)]
        key = digest_of(simulator_digest(), *how, name, self.head_mm, grid)
        made = kept(self.cache / "ct", key, lambda: ct.ct_scan(self.head(name), seed=0, grid=grid, noise_hu=0.0))
        return replace(made, unit=HOUNSFIELD)

    def mask(self, name: str, grid: Grid) -> BoolArray:
        """Return the head, air cavities included, on a grid; shape (slices, rows, columns)."""
        inside: BoolArray = self._truth(name, grid)["inside"]
        return inside

    def labels(self, name: str, grid: Grid) -> LabelArray:
        """Return the `Tissue` of each voxel of a grid; shape (slices, rows, columns)."""
        labels: LabelArray = self._truth(name, grid)["labels"]
        return labels

    def _truth(self, name: str, grid: Grid) -> Arrays:
        def make() -> Arrays:
            head = self.head(name)
            return {"inside": truth_mask(head, grid), "labels": labels_on(head, grid)}

        return kept_arrays(self.cache / "truth", digest_of(simulator_digest(), name, self.head_mm, grid), make)

    def real(self, volume: RealVolume) -> Volume | None:
        """Read a real volume and average it to about `spacing_mm`; None when it is not there."""
        if self.data is None:
            return None
        data, unpacked = self.data, self.cache / "unpacked"
        if not (data / volume.path).exists() and not (data / f"{volume.path}.tar.xz").is_file():
            return None

        def make() -> Volume:
            found = read_real(data, volume.path, unpacked=unpacked)
            if found is None:
                raise FileNotFoundError(volume.path)
            return coarse(found, self.spacing_mm)

        return kept(self.cache / "real", digest_of(data.resolve(), volume.path, self.spacing_mm), make)

    def site(self, name: str) -> Site:
        """Return a site that scans at about `spacing_mm`: averaging to larger voxels lowers its noise."""
        return _averaging(SITES[name], coarser(SITES[name].grid, self.spacing_mm))

    def no_finer(self, site: Site) -> Site:
        """Return a site whose voxels are `spacing_mm` along each axis where its own are smaller, as in `site`."""
        spacing = np.maximum(site.grid.spacing_mm, self.spacing_mm)
        shape = np.rint(np.multiply(site.grid.shape, site.grid.spacing_mm) / spacing)
        (slices, rows, columns), (z, y, x) = shape.astype(int).tolist(), spacing.tolist()
        thickness_mm = site.grid.thickness_mm and site.grid.thickness_mm * z / site.grid.spacing_mm[0]
        grid = replace(site.grid, shape=(slices, rows, columns), spacing_mm=(z, y, x), thickness_mm=thickness_mm)
        return _averaging(site, grid)


def _averaging(site: Site, grid: Grid) -> Site:
    averaged = np.prod(site.grid.spacing_mm) / np.prod(grid.spacing_mm)
    return replace(site, grid=grid, noise=site.noise * math.sqrt(averaged))


def _seed_of(site: str) -> int:
    """Return another seed for every site: no two share a draw of field or noise."""
    known = list(SITES)
    return 1 + known.index(site) if site in known else zlib.crc32(site.encode())


def coarser(grid: Grid, spacing_mm: float) -> Grid:
    """Return a grid with the same plane, tilt and field of view, and cubic voxels."""
    extent = np.multiply(grid.shape, grid.spacing_mm)
    slices, rows, columns = (int(n) for n in np.rint(extent / spacing_mm))
    return replace(grid, shape=(slices, rows, columns), spacing_mm=(spacing_mm, spacing_mm, spacing_mm))


@lru_cache(maxsize=2)
def _drawn(seed: int, spacing_mm: float) -> Head:
    return procedural_head(seed, spacing_mm)


@lru_cache(maxsize=2)
def _of_labels(path: Path, spacing_mm: float) -> Head:
    return labelmap_head(path, spacing_mm=spacing_mm)
