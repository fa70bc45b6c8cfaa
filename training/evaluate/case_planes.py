"""An axial slice of every case and contestant of E1 and E3: source, result and truth, in the unit of the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.volume import Float32Array, Volume
from training.evaluate.contestants import Named
from training.evaluate.pictures import axial
from training.evaluate.results import Row
from training.evaluate.trial import Label, Trial

FOLDER = "cases"
"""Below that of the slices of an experiment."""

SHOWN = ("source", "result", "truth")


def keep_planes(folder: Path, label: Label, contestant: Named, trial: Trial, result: Volume) -> None:
    """Write the slices of a case and a contestant.

    Parameters
    ----------
    folder
        For one file a case and contestant, some 60 kB each.
    label, contestant, trial, result
        Whose they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = trial.source.voxels * np.float32(trial.known_scale)
    planes = {
        name: axial(trial.truth.with_voxels(voxels), trial.mask).astype(np.float16)
        for name, voxels in zip(SHOWN, (source, result.voxels, trial.truth.voxels), strict=True)
    }
    np.savez_compressed(_path(folder, contestant.digest, label.case), allow_pickle=False, **planes)


def planes_of(folder: Path, row: Row) -> dict[str, Float32Array] | None:
    """Return `SHOWN` name -> slice of the case and the model of a row; None where they were not kept."""
    path = _path(folder, row.model_digest, row.case)
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as held:
        return {name: held[name].astype(np.float32) for name in SHOWN}


def _path(folder: Path, digest: str, case: str) -> Path:
    return folder / f"{digest} {case.replace('/', ' ')}.npz"
