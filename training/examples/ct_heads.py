"""The heads that pairs of MR and CT are made of: labels with what lies around, each prepared once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy import ndimage

from inference.bounded.frame import crown_of
from training.examples.sources import people
from training.simulate.air_cells import pneumatised
from training.simulate.head import Head
from training.simulate.shapes import enclosed

LABEL = 31
"""Bits of a code that hold the tissue."""
INSIDE = 32
"""Bit of what lies within the skin, air cavities included."""
NEAR = 64
"""Bit of what lies within the skin or some millimetres off it: where a loss is looked at."""

_NEAR_MM = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class CtHead:
    """A head as codes.

    Attributes
    ----------
    codes
        Shape (slices, rows, columns), upwards, to the back, to the left, cubic voxels: tissue and bits.
    spacing_mm
        Of these.
    crown
        (z, y, x) of the crown, in voxels: top of the head, middle of its upper part.
    seed
        Of the head: texture and density of bone come from it.
    person
        Whose head it is: deformations of one label map are one person.
    """

    codes: NDArray[np.uint8]
    spacing_mm: float
    crown: tuple[float, float, float]
    seed: int
    person: str


def prepare(name: str, head: Head, folder: Path) -> None:
    """Write a head with air cells and teeth (`training.simulate.air_cells`), compressed."""
    labels = pneumatised(head).labels
    inside = enclosed(labels > 0)
    spacing_mm = float(np.linalg.norm(head.affine[:3, 0]))
    near = ndimage.distance_transform_edt(~inside, sampling=spacing_mm) < _NEAR_MM
    x, y, z = crown_of(inside, head.affine)
    crown = np.linalg.solve(head.affine, np.array([x, y, z, 1.0]))[:3]
    codes = labels | (inside * np.uint8(INSIDE)) | (near * np.uint8(NEAR))
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{name}.partial.npz"
    held = {"codes": codes, "spacing_mm": np.array(spacing_mm), "crown": crown, "seed": np.array(head.seed)}
    np.savez_compressed(partial, allow_pickle=False, **held)
    partial.rename(folder / f"{name}.npz")


def read(path: Path) -> CtHead:
    """Read a head that `prepare` wrote."""
    with np.load(path, allow_pickle=False) as held:
        z, y, x = (float(each) for each in held["crown"])
        return CtHead(held["codes"], float(held["spacing_mm"]), (z, y, x), int(held["seed"]), _person(path.stem))


@dataclass(frozen=True, slots=True, eq=False)
class CtSources:
    """Heads to draw pairs from; nobody is in both.

    Attributes
    ----------
    train, validation
        To train on, and to watch progress on.
    """

    train: Sequence[CtHead]
    validation: Sequence[CtHead]

    def disjoint(self) -> tuple[Sequence[CtHead], Sequence[CtHead]]:
        """Return heads for MR and heads for CT, of different people: for training without pairs.

        Raises
        ------
        ValueError
            When there is only one person.
        """
        persons = sorted({head.person for head in self.train})
        if len(persons) < 2:
            raise ValueError("training without pairs needs two people or more")
        of_mr = set(persons[::2])
        return [h for h in self.train if h.person in of_mr], [h for h in self.train if h.person not in of_mr]


def gathered(data: Path | None, cache: Path, *, procedural: int, deformations: int) -> CtSources:
    """Prepare all simulated heads of the training side that are at hand, once, and return them.

    Parameters
    ----------
    data
        Folder of real data; None leaves label maps out.
    cache
        Folder for what is prepared.
    procedural, deformations
        How many drawn heads, and how many deformations of each label map beside itself.
    """
    maps, drawn = people(data, procedural=procedural, deformations=deformations)
    _prepare_missing({**maps, **drawn}, cache)
    watched = {_person(list(names)[-1]) for names in (maps, drawn) if names}
    heads = [read(cache / f"{name}.npz") for name in (*maps, *drawn)]
    first_of_watched = [head for head in heads if head.person in watched][:: deformations + 1]
    return CtSources([head for head in heads if head.person not in watched], first_of_watched)


def _person(name: str) -> str:
    return "-".join(name.split("-")[:2])


def _prepare_missing(heads: Mapping[str, Callable[[], Head]], cache: Path) -> None:
    missing = [name for name in heads if not (cache / f"{name}.npz").is_file()]
    for name in track(missing, description="preparing heads", console=Console(stderr=True), disable=not missing):
        prepare(name, heads[name](), cache)
