"""A tile of a picture: one slice of an upright volume, at the scale that all planes of the volume share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from dicom_node.demo.pair import UInt8Array
from inference.volume import Float32Array, Volume

TILE, GAP = 256, 8
"""Pixels: a tile's side, and between tiles."""


def tile(
    volume: Volume, axis: int, shades: Callable[[Float32Array], UInt8Array], *, index: int | None = None
) -> Image.Image:
    """Draw a slice.

    Parameters
    ----------
    volume
        Upright.
    axis
        The slice lies across it.
    shades
        Takes a slice, shape (height, width), to grey levels or colours, the latter of shape (height, width, 3).
    index
        Which slice; None: the middle one.

    Returns
    -------
    TILE x TILE pixels, the longest side of the volume as long as the tile.
    """
    middle = volume.voxels.shape[axis] // 2
    plane: Float32Array = np.moveaxis(volume.voxels, axis, 0)[middle if index is None else index]
    drawn = Image.fromarray(shades(plane))
    scale = TILE / max(volume.extent_mm)
    height, width = (max(1, round(size * scale)) for size in np.delete(volume.extent_mm, axis))
    made = Image.new(drawn.mode, (TILE, TILE), 0)
    made.paste(drawn.resize((width, height), Image.Resampling.BILINEAR), ((TILE - width) // 2, (TILE - height) // 2))
    return made


def latin(text: str) -> str:
    """Return text that the built-in font can draw."""
    return text.encode("latin-1", "replace").decode("latin-1")
