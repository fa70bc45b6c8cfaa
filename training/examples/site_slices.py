"""Slices of heads as sites show them: each scan is made and brought into the frame once, and kept in a folder."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy import ndimage

from inference.bounded.frame import SHAPE
from inference.mhgan.networks import LATENT, SEEN
from inference.mhgan.sight import SIDE, sight_of, span
from inference.planes import AXES
from inference.volume import Volume
from training.evaluate.people import coarser
from training.examples.scan_folder import UNREADABLE, entries, read_scan, refuse_too_few, tell_left_out
from training.examples.sources import people
from training.simulate.head import Head
from training.simulate.scan import scan
from training.simulate.sites import SITES

_COARSE_MM = 2.0
_CUT, _CUT_SLOPE = (-10, 40), 0.15
"""Lowest and highest slice of the frame at which a field of view may end, and how much it may be tilted: drawn for
every head, for where a field of view ends tells a site, and is no style."""

_TURN_DEG, _STRETCH = 8.0, 0.06
"""Standard deviations of how far a warped slice is turned, and of the log of how much it is stretched either way."""

_MIRRORED = (0, 1)
"""Axes whose slices have the patient's left and right along their columns."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class SiteScan:
    """A scan in the frame.

    Attributes
    ----------
    person
        Whose head.
    voxels
        Shape `inference.bounded.frame.SHAPE`, half precision, -1 to 1: see `inference.mhgan.sight`.
    floor, noise
        What black is shown as; and the noise of the air; see `inference.mhgan.sight`.
    spans
        Shape (3, 2): first slice to show, and the one after the last, along each axis.
    """

    person: str
    voxels: NDArray[np.float16]
    floor: float
    noise: float
    spans: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A domain: scans of one scanner with one protocol, some of them kept to watch progress on."""

    name: str
    train: Sequence[SiteScan]
    validation: Sequence[SiteScan]

    @property
    def floor(self) -> float:
        """What black is shown as, on average."""
        return float(np.mean([each.floor for each in self.train]))

    @property
    def noise(self) -> float:
        """Of the air around the head, on average; see `inference.mhgan.sight`."""
        return float(np.mean([each.noise for each in self.train]))


def simulated_sites(data: Path | None, cache: Path, *, procedural: int, deformations: int) -> list[Site]:
    """Scan the heads of the training side in every virtual site; those that are in the folder are not made again.

    Every other head is scanned on the site's own grid, the rest at 2 mm: what a head looks like hardly depends on it.

    Parameters
    ----------
    data, procedural, deformations
        As in `training.examples.sources.people`, whose last heads are there to watch progress on.
    cache
        Folder for the scans.
    """
    maps, drawn = people(data, procedural=procedural, deformations=deformations)
    heads = {**maps, **drawn}
    cache.mkdir(parents=True, exist_ok=True)
    missing = [name for name in heads if not all(_path(cache, site, name).is_file() for site in SITES)]
    for name in track(missing, description="scanning heads", console=Console(stderr=True), disable=not missing):
        _scan_everywhere(name, heads[name], cache)
    watched = _watched(list(maps), list(drawn))
    return [_read_site(site, [_path(cache, site, name) for name in heads], watched) for site in SITES]


def folder_sites(folder: Path, cache: Path) -> list[Site]:
    """Read real sites: a folder of scans a site.

    Parameters
    ----------
    folder
        Holds a folder a site, named as targets are; in it NIfTI files, or folders of one DICOM series each, a person
        each. The last one, by name, is there to watch progress on.
    cache
        For what is prepared.

    Raises
    ------
    ValueError
        When a site has fewer than two heads, or its name cannot be that of a target, or is that of a virtual site.
    """
    cache.mkdir(parents=True, exist_ok=True)
    sites = []
    for site in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not _NAME.fullmatch(site.name) or site.name in SITES:
            raise ValueError(f"{site}: rename it: a-z, 0-9, '.' and '-', and none of {', '.join(SITES)}")
        paths = [_kept_real(site, place, cache) for place in entries(site)]
        found = [path for path in paths if path is not None]
        refuse_too_few(site, len(found))
        sites.append(_read_site(site.name, found, {_person_of(found[-1])}))
    return sites


class SiteSlices:
    """Batches of slices, each a head in a site that is to look as another site; the same number, the same batch.

    A batch takes one random slice of each of some heads (the seed: one random image per patient), in one random plane,
    and two references of its target.

    Parameters
    ----------
    sites
        The domains.
    batch
        Slices a batch.
    seed
        Another seed, other batches.
    side
        Of the slices, see `inference.mhgan.sight.SIDE`.
    validation
        Draw from the scans that are kept to watch progress on.
    warped
        Turn and stretch slices at random: other heads, in the same style.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        *,
        batch: int,
        seed: int,
        side: int = SIDE,
        validation: bool = False,
        warped: bool = False,
    ) -> None:
        self._scans = [site.validation if validation else site.train for site in sites]
        self._batch, self._seed, self._side, self._warped = batch, [seed, int(validation)], side, warped

    def __getitem__(self, number: int) -> Arrays:
        """Return a batch.

        Returns
        -------
        ``source``, shape (batch, `SEEN` + 1, side, side): two stacks that overlap. ``reference``, ``other``: (batch,
        `SEEN`, side, side), of the target. ``latent``, ``other_latent``: (batch, `LATENT`). ``source_site``,
        ``target_site``: (batch,).
        """
        rng = np.random.default_rng([*self._seed, number])
        drawn = [self._one(rng) for _ in range(self._batch)]
        return {name: np.stack([each[name] for each in drawn]) for name in drawn[0]}

    def _one(self, rng: np.random.Generator) -> Arrays:
        own, target = rng.integers(len(self._scans), size=2)
        axis = int(rng.integers(len(AXES)))
        drawn = {"source": self._slices(rng, int(own), axis, SEEN + 1)}
        for name in ("reference", "other"):
            drawn[name] = self._slices(rng, int(target), axis, SEEN)
        for name in ("latent", "other_latent"):
            drawn[name] = rng.standard_normal(LATENT, np.float32)
        return drawn | {"source_site": np.array(own, np.float32), "target_site": np.array(target, np.float32)}

    def _slices(self, rng: np.random.Generator, site: int, axis: int, count: int) -> NDArray[np.float32]:
        scans = self._scans[site]
        chosen = scans[int(rng.integers(len(scans)))]
        first, end = chosen.spans[axis]
        start = int(rng.integers(first, max(end - count, first) + 1))
        found = np.moveaxis(chosen.voxels, axis, 0)[start : start + count].astype(np.float32)
        if axis in _MIRRORED and rng.random() < 0.5:
            found = found[:, :, ::-1]
        if axis:
            found = np.where(_cut(rng, found.shape, axis, start), np.float32(chosen.floor), found)
        square = on_square(found, self._side, chosen.floor)
        return _warped(rng, square, chosen.floor) if self._warped else square


def _cut(rng: np.random.Generator, shape: tuple[int, ...], axis: int, start: int) -> NDArray[np.bool_]:
    """Return what of some slices lies below the end of a field of view; rows run upwards."""
    end, slope = rng.uniform(*_CUT), rng.uniform(-_CUT_SLOPE, _CUT_SLOPE)
    across = start + np.arange(shape[0])[:, None, None] if axis == 1 else np.arange(shape[2])  # to the back
    height = np.arange(shape[1])[:, None]
    return np.asarray(np.broadcast_to(height < end + slope * (across - SHAPE[1] / 2), shape))


def _warped(rng: np.random.Generator, slices: NDArray[np.float32], outside: float) -> NDArray[np.float32]:
    """Turn and stretch some slices about their middle, all in the same way."""
    turn = np.deg2rad(rng.normal(0, _TURN_DEG))
    stretch = np.diag(np.exp(rng.normal(0, _STRETCH, 2)))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ stretch
    middle = (np.array(slices.shape[1:]) - 1) / 2
    shift = middle - matrix @ middle
    found = [
        ndimage.affine_transform(each, matrix, shift, order=1, mode="constant", cval=outside, output=np.float32)
        for each in slices
    ]
    return np.stack(found)


def on_square(slices: NDArray[np.float32], side: int, outside: float) -> NDArray[np.float32]:
    """Put slices in the middle of squares; shape (slices, side, side)."""
    square = np.full((len(slices), side, side), outside, np.float32)
    top, left = ((side - length) // 2 for length in slices.shape[1:])
    square[:, top : top + slices.shape[1], left : left + slices.shape[2]] = slices
    return square


def _scan_everywhere(name: str, make: Callable[[], Head], cache: Path) -> None:
    head = make()
    coarse = zlib.crc32(name.encode()) % 2
    for number, site in enumerate(SITES.values(), start=1):
        path = _path(cache, site.name, name)
        if path.is_file():
            continue
        grid = coarser(site.grid, _COARSE_MM) if coarse else site.grid
        averaged = float(np.sqrt(np.prod(site.grid.spacing_mm) / np.prod(grid.spacing_mm)))
        scanned = scan(head, replace(site, grid=grid, noise=site.noise * averaged), seed=1000 + number)
        _keep(scanned, name, path)


def _kept_real(site: Path, place: Path, cache: Path) -> Path | None:
    """Prepare a real scan; None where there is none, or no head in it, which is told."""
    path = _path(cache, site.name, place.name)
    if not path.is_file():
        try:
            _keep(read_scan(place, unpacked=cache / "unpacked"), place.name, path)
        except UNREADABLE as error:
            tell_left_out(place, error)
            return None
    return path


def _keep(volume: Volume, person: str, path: Path) -> None:
    """Write a scan under another name first: one that is there is whole."""
    seen = sight_of(volume)
    partial = path.with_suffix(".partial.npz")
    spans = np.array([span(seen.head.inside, axis) for axis in AXES])
    np.savez(
        partial, allow_pickle=False,
        voxels=seen.voxels.astype(np.float16), floor=seen.floor, noise=seen.noise, spans=spans, person=person,
    )  # fmt: skip
    partial.rename(path)


def _path(cache: Path, site: str, name: str) -> Path:
    return cache / f"{site}--{name}.npz"


def _person_of(path: Path) -> str:
    return path.stem.split("--", 1)[1]


def _watched(maps: Sequence[str], drawn: Sequence[str]) -> set[str]:
    """Return the last drawn head and all of the last label map, as `training.examples.sources` has it."""
    last = maps[-1].rsplit("-", maps[-1].count("-") - 1)[0] if maps else None
    return {drawn[-1], *(name for name in maps if last and name.startswith(last))}


def _read_site(name: str, paths: Sequence[Path], watched: set[str]) -> Site:
    scans: Mapping[bool, list[SiteScan]] = {True: [], False: []}
    for path in paths:
        scans[_person_of(path) in watched].append(_read(path))
    return Site(name, scans[False], scans[True])


def _read(path: Path) -> SiteScan:
    with np.load(path, allow_pickle=False) as held:
        if "noise" not in held:
            raise ValueError(f"{path}: an earlier version prepared it: remove its folder, or name another with --cache")
        black, noise = float(held["floor"]), float(held["noise"])
        return SiteScan(str(held["person"]), held["voxels"], black, noise, held["spans"])
