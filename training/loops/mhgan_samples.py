"""Sample images of a training: a row a head, the source first, then the styles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def write_samples(columns: Sequence[NDArray[np.float32]], path: Path) -> None:
    """Write slices side by side as PNG.

    Parameters
    ----------
    columns
        Each of shape (rows of the picture, rows, columns), -1 to 1: black to white.
    path
        Of the picture.
    """
    picture = np.concatenate([column.reshape(-1, column.shape[-1]) for column in columns], axis=1)
    Image.fromarray(np.rint((np.clip(picture, -1, 1) + 1) * 127.5).astype(np.uint8)).save(path)
