"""Which heads are trained on: drawn ones, label maps and deformations of them, and real volumes, by the split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track

from training.evaluate.people import LABELMAPS
from training.evaluate.real import read_real
from training.evaluate.splits import read_splits
from training.examples.heads import RealHead, prepare_real, prepare_simulated
from training.simulate.deform import deformed
from training.simulate.head import Head, procedural_head
from training.simulate.labelmap import labelmap_head

_WATCHED = 900
"""Seed of the drawn head that progress is watched on."""


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Heads to draw examples from.

    Attributes
    ----------
    simulated, simulated_validation
        Files of simulated heads, to train on and to watch progress on; no person is in both.
    real
        Real volumes to train on; may be empty.
    """

    simulated: Sequence[Path]
    simulated_validation: Sequence[Path]
    real: Sequence[RealHead]


def gathered(data: Path | None, cache: Path, *, procedural: int, deformations: int) -> Sources:
    """Prepare all heads of the training side that are at hand, once, and return them.

    Parameters
    ----------
    data
        Folder of real data; None leaves label maps and real volumes out.
    cache
        Folder for what is prepared.
    procedural
        How many drawn heads.
    deformations
        How many deformations of each label map, beside itself.
    """
    maps, drawn = people(data, procedural=procedural, deformations=deformations)
    prepare_simulated(_missing({**maps, **drawn}, cache), cache)
    watched = [name for name in maps if name.startswith(f"labels-{read_splits().labelmaps.train[-1]}")]
    validation = [f"procedural-{_WATCHED:03d}", *watched[:1]]
    trained = [name for name in (*maps, *drawn) if name not in (*validation, *watched)]
    files = [[cache / f"{name}.npz" for name in names] for names in (trained, validation)]
    return Sources(files[0], files[1], _real(data, cache) if data else ())


def people(
    data: Path | None, *, procedural: int, deformations: int
) -> tuple[dict[str, Callable[[], Head]], dict[str, Callable[[], Head]]]:
    """Return the simulated heads of the training side by name: from label maps, then drawn ones; none is made yet.

    Parameters
    ----------
    data, procedural, deformations
        As in `gathered`. A name begins with that of the person: ``labels-01`` and ``labels-01-0`` are the same one.
        The last label map and the last drawn head are there to watch progress on.
    """
    drawn: dict[str, Callable[[], Head]] = {
        f"procedural-{seed:03d}": partial(procedural_head, seed) for seed in (*range(procedural), _WATCHED)
    }
    maps: dict[str, Callable[[], Head]] = {}
    paths = {} if data is None else _labelmaps(data)
    for number, path in paths.items():
        maps[f"labels-{number}"] = partial(labelmap_head, path)
        for seed in range(deformations):
            maps[f"labels-{number}-{seed}"] = partial(_deformed, path, seed)
    return maps, drawn


def _labelmaps(data: Path) -> dict[str, Path]:
    numbers = read_splits().labelmaps.train
    return {number: data / LABELMAPS / f"synthseg_labels_{number}.nii.gz" for number in numbers}


def _deformed(path: Path, seed: int) -> Head:
    return deformed(labelmap_head(path), seed=seed)


def _missing(heads: dict[str, Callable[[], Head]], cache: Path) -> Iterator[tuple[str, Head]]:
    missing = [name for name in heads if not (cache / f"{name}.npz").is_file()]
    for name in track(missing, description="preparing heads", console=Console(stderr=True), disable=not missing):
        yield name, heads[name]()


def _real(data: Path, cache: Path) -> list[RealHead]:
    heads = []
    for volume in read_splits().real_of("train").values():
        found = read_real(data, volume.path, unpacked=cache / "unpacked")
        if found is not None:
            heads.append(prepare_real(found, contrast=volume.contrast, subject=volume.subject))
    return heads
