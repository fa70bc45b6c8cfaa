"""The truth of a simulated series: the same head in the scanner that a model aims at, on the grid of the series."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np

from dicom_node.demo.pair import upright
from inference.look import TOP, profile
from inference.volume import BoolArray, Volume
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.scan import scan
from training.simulate.sites import SITES, Site
from training.simulate.tissues import Tissue
from training.simulate.truth import labels_on, truth_mask

_SEED = 1000
"""Of the truth's own noise and field: no series of the demo has that number."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Who was scanned, and where the slices lay: all that another scanner needs to scan the same."""

    head: Head
    grid: Grid


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the target scanner shows of a head.

    Attributes
    ----------
    scanner
        Name of the site.
    volume
        Upright, with the noise of that scanner; its anchor lies at `inference.look.TOP`, as in all looks.
    inside
        Shape of the volume: within the outer skin.
    white_matter
        Mean value of white matter.
    """

    scanner: str
    volume: Volume
    inside: BoolArray
    white_matter: float


class Truths:
    """The truths of a study, each scanned in the background as soon as it is known which one is needed.

    Parameters
    ----------
    scenes
        SeriesInstanceUID -> what was scanned; series of which no truth is known are missing.
    pool
        Does the scanning.
    """

    def __init__(self, scenes: Mapping[str, Scene], pool: Executor) -> None:
        self._scenes = scenes
        self._pool = pool
        self._scans: dict[tuple[str, str], Future[Truth]] = {}

    def begin(self, series_uid: str, target: str) -> None:
        """Begin to scan, unless that has begun, or there is no such scene or no virtual scanner of that name."""
        scene, site = self._scenes.get(series_uid), SITES.get(target)
        key = (series_uid, target)
        if scene is not None and site is not None and key not in self._scans:
            self._scans[key] = self._pool.submit(scanned, scene, site)

    def of(self, series_uid: str, target: str) -> Truth | None:
        """Return the truth, waiting for it; None where none is known."""
        self.begin(series_uid, target)
        found = self._scans.get((series_uid, target))
        return None if found is None else found.result()


def scanned(scene: Scene, site: Site) -> Truth:
    """Scan the head of a scene in another scanner, on the scene's grid, and put it on the scale of looks."""
    volume = scan(scene.head, site, seed=_SEED, grid=scene.grid)
    volume = volume.with_voxels(volume.voxels * np.float32(TOP / profile(volume).anchor))
    white = labels_on(scene.head, scene.grid) == Tissue.WHITE_MATTER
    inside = truth_mask(scene.head, scene.grid).astype(np.float32)
    return Truth(
        site.name,
        upright(volume),
        upright(volume.with_voxels(inside)).voxels > 0,
        float(volume.voxels[white].mean()),
    )
