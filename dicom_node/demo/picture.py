"""The picture of before and after: the middle slices of a series and of what was derived from it, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmread

from inference.volume import Float32Array

UInt8Array: TypeAlias = NDArray[np.uint8]

TILE, GAP, TITLE, CAPTION = 256, 8, 44, 26
"""Pixels: a tile's side, between tiles, and the height of the text above a row and below the last."""
PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Plane -> the axis of `Shown.voxels` that it cuts."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Voxels turned to how they are looked at.

    Attributes
    ----------
    voxels
        Shape (towards the feet, towards the back, towards the patient's left): every plane cut from it is a
        radiological view as it stands, with the patient's left on the viewer's right, or the front on the left.
    spacing_mm
        Along these axes, mm.
    """

    voxels: Float32Array
    spacing_mm: tuple[float, float, float]


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
    """A series before and after, on one grid, and the window in which both are shown."""

    title: str
    before: Shown
    after: Shown
    window: Window


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
    after = _shown(derived)
    return Pair(title, _shown(sources), after, _window(derived[0], after.voxels))


def draw(pairs: Sequence[Pair]) -> Image.Image:
    """Return one row a pair: axial, coronal and sagittal, each before and after."""
    width = 2 * len(PLANES) * (TILE + GAP) + GAP
    row = TITLE + TILE + GAP
    sheet = Image.new("L", (width, row * len(pairs) + CAPTION), 0)
    pen, large, small = ImageDraw.Draw(sheet), ImageFont.load_default(15), ImageFont.load_default(12)
    for number, pair in enumerate(pairs):
        top = number * row
        window = f"both on the derived series' window: centre {pair.window.center:g}, width {pair.window.width:g}"
        pen.text((GAP, top + 4), _latin(pair.title), fill=255, font=large)
        pen.text((width - GAP, top + 6), window, fill=150, font=small, anchor="ra")
        for column, (plane, axis) in enumerate(PLANES.items()):
            for step, (label, shown) in enumerate((("before", pair.before), ("after", pair.after))):
                left = GAP + (2 * column + step) * (TILE + GAP)
                pen.text((left, top + 25), f"{plane}, {label}", fill=200, font=small)
                sheet.paste(_tile(shown, axis, pair.window), (left, top + TITLE))
    caption = (
        "Middle slices, radiological view (patient's left on the right). For research use only: not for diagnosis."
    )
    pen.text((GAP, row * len(pairs) + 4), caption, fill=200, font=small)
    return sheet


def _shown(images: Sequence[Dataset]) -> Shown:
    # Modality values, never real-world ones: the header's window speaks of the former (PS3.3 C.11.2.1.2)
    if len(images) == 1:
        volume = hd.Image.from_dataset(images[0], copy=False).get_volume(apply_real_world_transform=False)
    else:
        volume = hd.get_volume_from_series(images, apply_real_world_transform=False)
    volume = volume.to_patient_orientation("FPL")
    spacing = (float(volume.spacing[0]), float(volume.spacing[1]), float(volume.spacing[2]))
    return Shown(np.asarray(volume.array, dtype=np.float32), spacing)


def _window(image: Dataset, voxels: Float32Array) -> Window:
    center, width = image.get("WindowCenter"), image.get("WindowWidth")
    if center is None or width is None:
        low, high = np.percentile(voxels, [1, 99.5])
        return Window(float(low + high) / 2, float(high - low) or 1.0)
    return Window(float(np.atleast_1d(center)[0]), float(np.atleast_1d(width)[0]))


def _tile(shown: Shown, axis: int, window: Window) -> Image.Image:
    """Return the middle slice across `axis`, TILE x TILE, all planes of a volume at the same scale."""
    plane = window.shades(shown.voxels.take(shown.voxels.shape[axis] // 2, axis))
    sizes_mm = [n * mm for n, mm in zip(shown.voxels.shape, shown.spacing_mm, strict=True)]
    scale = TILE / max(sizes_mm)
    height, width = (max(1, round(size * scale)) for size in np.delete(sizes_mm, axis))
    tile = Image.new("L", (TILE, TILE), 0)
    drawn = Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)
    tile.paste(drawn, ((TILE - width) // 2, (TILE - height) // 2))
    return tile


def _latin(text: str) -> str:
    """Return text that the built-in font can draw."""
    return text.encode("latin-1", "replace").decode("latin-1")
