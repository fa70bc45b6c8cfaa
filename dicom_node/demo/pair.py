"""A derived series beside its source, as they are compared: turned alike, each in its own values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from inference.volume import Float32Array, Volume

UInt8Array: TypeAlias = NDArray[np.uint8]

_SCALE = re.compile(r"stored value = model value \* ([0-9.e+-]+)")
"""How DerivationDescription (0008,2111) of the node states the scale of its pixels."""


@dataclass(frozen=True, slots=True)
class Window:
    """A display window (PS3.3 C.11.2.1.2)."""

    center: float
    width: float

    def shades(self, values: Float32Array) -> UInt8Array:
        """Return grey levels, 0...255, of the same shape."""
        scaled = (values - (self.center - 0.5)) / max(self.width - 1, 1) + 0.5
        return np.asarray(np.clip(scaled, 0, 1) * 255, dtype=np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A series before and after, on one grid, and the window in which both are shown.

    Attributes
    ----------
    title
        What stands above them.
    before, after
        Upright (see `upright`), in the values that a viewer shows.
    window
        Of the derived series.
    per_unit
        What is stored in the derived series for 1 in the unit of its model.
    """

    title: str
    before: Volume
    after: Volume
    window: Window
    per_unit: float = 1.0


def read_pair(title: str, source_files: Mapping[str, Path], derived_files: Sequence[Path]) -> Pair:
    """Read a derived series and those images of its source that it refers to.

    Parameters
    ----------
    title
        What stands above the pair.
    source_files
        SOPInstanceUID -> file of the source series.
    derived_files
        All images of the derived series.

    Raises
    ------
    ValueError
        When either does not form a volume, or they do not refer to each other.
    """
    derived = [dcmread(path) for path in derived_files]
    referred = {item.ReferencedSOPInstanceUID for image in derived for item in image.get("SourceImageSequence", [])}
    sources = [dcmread(path) for uid, path in source_files.items() if uid in referred]
    if not sources:
        raise ValueError("the derived images do not refer to the series that was sent")
    after = _read(derived)
    return Pair(title, _read(sources), after, _window(derived[0], after.voxels), _per_unit(derived[0]))


def upright(volume: Volume) -> Volume:
    """Turn a volume to how it is looked at.

    Returns
    -------
    Along (towards the feet, towards the back, towards the patient's left), as nearly as its axes allow: every plane cut
    from it is a radiological view as it stands, the patient's left on the viewer's right, or the front on the left.
    """
    return _turned(hd.Volume(volume.voxels, volume.affine, coordinate_system="PATIENT"))


def _read(images: Sequence[Dataset]) -> Volume:
    # Modality values, never real-world ones: the header's window speaks of the former (PS3.3 C.11.2.1.2)
    if len(images) == 1:
        return _turned(hd.Image.from_dataset(images[0], copy=False).get_volume(apply_real_world_transform=False))
    return _turned(hd.get_volume_from_series(images, apply_real_world_transform=False))


def _turned(volume: hd.Volume) -> Volume:
    turned = volume.to_patient_orientation("FPL")
    return Volume(np.asarray(turned.array, np.float32), np.asarray(turned.affine, np.float64))


def _window(image: Dataset, voxels: Float32Array) -> Window:
    center, width = image.get("WindowCenter"), image.get("WindowWidth")
    if center is None or width is None:
        low, high = np.percentile(voxels, [1, 99.5])
        return Window(float(low + high) / 2, float(high - low) or 1.0)
    return Window(float(np.atleast_1d(center)[0]), float(np.atleast_1d(width)[0]))


def _per_unit(image: Dataset) -> float:
    stated = _SCALE.search(str(image.get("DerivationDescription", "")))
    return float(stated[1]) if stated else 1.0
