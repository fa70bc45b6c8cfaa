"""What is slow to make and always the same: volumes kept in a folder, by a digest of all that they come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.volume import Volume
from training import simulate

Arrays: TypeAlias = dict[str, NDArray[Any]]

_NOT_FOR_SCANS = ("ct", "ct_report", "ct_tissues", "deform", "mixture", "random_site", "report", "statistics")
"""Parts of the simulator that no scan here comes from."""


def digest_of(*parts: object) -> str:
    """Return a short digest of the text of some values."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:20]


def digest_of_voxels(*volumes: Volume) -> str:
    """Return a short digest of the voxels and places of some volumes."""
    total = hashlib.sha256()
    for volume in volumes:
        total.update(volume.voxels.tobytes())
        total.update(volume.affine.tobytes())
    return total.hexdigest()[:20]


@lru_cache(maxsize=1)
def simulator_digest() -> str:
    """Return a short digest of the simulator's source: another simulator, other scans."""
    folder = Path(str(simulate.__file__)).parent
    sources = (path for path in sorted(folder.glob("*.py")) if path.stem not in _NOT_FOR_SCANS)
    return digest_of(*(path.read_text(encoding="utf-8") for path in sources))


def kept(folder: Path, key: str, make: Callable[[], Volume]) -> Volume:
    """Return a volume from a folder; see `kept_arrays`."""

    def arrays() -> Arrays:
        volume = make()
        return {"voxels": volume.voxels, "affine": volume.affine}

    held = kept_arrays(folder, key, arrays)
    return Volume(held["voxels"], held["affine"])


def kept_arrays(folder: Path, key: str, make: Callable[[], Arrays]) -> Arrays:
    """Return arrays from a folder; make them first when they are not there.

    Parameters
    ----------
    folder
        For the files; several processes may share it.
    key
        Digest of all that they come from.
    make
        Called when there is no such file.
    """
    path = folder / f"{key}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as held:
            return dict(held)
    arrays = make()
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")  # a file under its own name is whole
    np.savez(partial, allow_pickle=False, **arrays)
    partial.rename(path)
    return arrays
