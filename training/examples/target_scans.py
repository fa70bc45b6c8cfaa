"""Scans of one site in the frame: what a flow learns the target from, each made once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from inference.bounded.frame import framed
from inference.classical.head import find_head
from inference.errors import ModelRefused
from inference.volume import BoolArray, Volume
from training.evaluate.people import coarser
from training.examples.scan_folder import UNREADABLE, entries, read_scan, refuse_too_few, tell_left_out
from training.examples.sources import people
from training.simulate.head import Head
from training.simulate.scan import scan
from training.simulate.sites import SITES, Site

_COARSE_MM = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class TargetScan:
    """A scan in the frame.

    Attributes
    ----------
    voxels
        Shape `inference.bounded.frame.SHAPE`, the anchor of the head at 1; half precision, far finer than the noise.
    inside
        Same shape: the head.
    """

    voxels: NDArray[np.float16]
    inside: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class TargetScans:
    """Scans to draw slices from; nobody is in both.

    Attributes
    ----------
    train, validation
        To learn from, and to watch progress on.
    """

    train: Sequence[TargetScan]
    validation: Sequence[TargetScan]


def gathered(data: Path | None, cache: Path, *, target: str, procedural: int, deformations: int) -> TargetScans:
    """Scan all simulated heads of the training side that are at hand in the target, once, and return the scans.

    Parameters
    ----------
    data
        Folder of real data; None leaves label maps out.
    cache
        Folder for the scans.
    target
        Name of the site.
    procedural, deformations
        As in `training.examples.sources.people`.
    """
    maps, drawn = people(data, procedural=procedural, deformations=deformations)
    prepare({**maps, **drawn}, cache, target)
    watched = {_person(list(names)[-1]) for names in (maps, drawn) if names}
    trained = [name for name in (*maps, *drawn) if _person(name) not in watched]
    return TargetScans(
        [scanned for name in trained for scanned in read(cache, target, name)],
        [scanned for name in (*maps, *drawn) if name in watched for scanned in read(cache, target, name)],
    )


def of_folder(folder: Path, cache: Path, *, target: str) -> TargetScans:
    """Read the scans of a real scanner, each once; the last one, by name, is there to watch progress on.

    Parameters
    ----------
    folder
        In it NIfTI files, or folders of one DICOM series each, a person each.
    cache
        Folder for what is prepared; one below it a target.
    target
        What the scanner is to be called.

    Raises
    ------
    ValueError
        When there are fewer than two heads, or the name is that of a virtual site.
    """
    if target in SITES:
        raise ValueError(f"{target} is a virtual site: call your own scanner otherwise, with --target")
    (cache / target).mkdir(parents=True, exist_ok=True)
    found = [place.name for place in entries(folder) if _kept_real(place, cache / target)]
    refuse_too_few(folder, len(found))
    scans = [read(cache, target, name) for name in found]
    return TargetScans([scanned for each in scans[:-1] for scanned in each], scans[-1])


def prepare(heads: Mapping[str, Callable[[], Head]], cache: Path, target: str) -> None:
    """Scan heads in a site, twice each: on its own grid, and on one of about 2 mm. What is there already stays.

    The site's coils, noise and point spread are a little off each time, as they are between two scanners of a kind.

    Parameters
    ----------
    heads
        Name and what makes the head.
    cache
        Folder for the scans; one below it a site.
    target
        Name of the site.
    """
    folder = cache / target
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in heads if not (folder / f"{name}.npz").is_file()]
    for name in track(missing, description=f"scans in {target}", console=Console(stderr=True), disable=not missing):
        _keep(list(_scans(heads[name](), SITES[target])), folder / f"{name}.npz")


def read(cache: Path, target: str, name: str) -> list[TargetScan]:
    """Read the scans of one head that `prepare` wrote."""
    with np.load(cache / target / f"{name}.npz", allow_pickle=False) as held:
        return [TargetScan(*each) for each in zip(held["voxels"], held["inside"], strict=True)]


def _scans(head: Head, site: Site) -> Iterator[TargetScan]:
    rng = np.random.default_rng([head.seed, list(SITES).index(site.name)])
    for number, grid in enumerate((site.grid, coarser(site.grid, _COARSE_MM))):
        averaged = np.sqrt(np.prod(site.grid.spacing_mm) / np.prod(grid.spacing_mm))
        off = rng.uniform(0.8, 1.2, 5)
        field = site.receive_field
        coils = replace(
            field, rim=field.rim * off[0], random=field.random * off[1], reach_mm=field.reach_mm * off[2] ** 0.5
        )
        like = replace(
            site, grid=grid, receive_field=coils, noise=site.noise * averaged * off[3], blur=site.blur * off[4] ** 0.5
        )
        volume = scan(head, like, seed=1000 + number)
        yield _in_frame(volume)


def _in_frame(volume: Volume) -> TargetScan:
    head = find_head(volume)
    if not head.inside.any():
        raise ModelRefused("no head can be told from the air around it")
    seen = framed(volume, head)
    scale = np.float32(1 / seen.profile_of(seen.voxels).anchor)
    return TargetScan((seen.voxels * scale).astype(np.float16), seen.inside)


def _kept_real(place: Path, folder: Path) -> bool:
    """Prepare a real scan, unless it is there already; False where there is no head in it, which is told."""
    path = folder / f"{place.name}.npz"
    if path.is_file():
        return True
    try:
        _keep([_in_frame(read_scan(place, unpacked=folder / "unpacked"))], path)
    except UNREADABLE as error:
        tell_left_out(place, error)
        return False
    return True


def _keep(scans: Sequence[TargetScan], path: Path) -> None:
    """Write scans under another name first: a file that is there is whole."""
    partial = path.with_name(f"{path.stem}.partial.npz")
    np.savez_compressed(
        partial, allow_pickle=False,
        voxels=np.stack([each.voxels for each in scans]), inside=np.stack([each.inside for each in scans]),
    )  # fmt: skip
    partial.rename(path)


def _person(name: str) -> str:
    return "-".join(name.split("-")[:2])
