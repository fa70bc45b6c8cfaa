"""A style that a model's own encoder read in a site's references: numbers that only these very weights understand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import save

from inference.errors import BundleRefused
from inference.volume import Float32Array

_NUMBERS, _READER = ".style", ".reader"
_MOST_NUMBERS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class AddedStyle:
    """The style of some references.

    Attributes
    ----------
    model, model_digest
        Name and SHA-256 of the bundle whose encoder read it.
    contrast
        Of all references, as in `inference.contract.Contrast`.
    numbers
        Shape (references, numbers): what the encoder read in each. What they mean, the model alone knows.
    """

    model: str
    model_digest: str
    contrast: str
    numbers: Float32Array

    def __post_init__(self) -> None:
        if self.numbers.ndim != 2 or not 0 < self.numbers.shape[1] <= _MOST_NUMBERS or not len(self.numbers):
            raise ValueError(f"a style needs (references, numbers), not {self.numbers.shape}")
        if not np.isfinite(self.numbers).all():
            raise ValueError("the numbers of a style must be finite")

    @property
    def mean(self) -> Float32Array:
        """Mean over the references; shape (numbers,)."""
        return np.asarray(self.numbers.mean(axis=0, dtype=np.float64), np.float32)

    @property
    def references(self) -> int:
        """How many heads it was read in."""
        return len(self.numbers)

    @property
    def digest(self) -> str:
        """SHA-256 of all that it holds, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the style as a safetensors file; `style_in` reads its tensors. The same style, the same bytes."""
        key = f"{self.model}.{self.contrast}"
        reader = np.frombuffer(bytes.fromhex(self.model_digest), np.uint8)
        return save({f"{key}{_NUMBERS}": self.numbers, f"{key}{_READER}": reader})


def added_style(model: str, model_digest: str, *, contrast: str, read: Sequence[ArrayLike]) -> AddedStyle:
    """Make a style of what an encoder read in each reference.

    Raises
    ------
    BundleRefused
        When these are no numbers of a style.
    """
    try:
        return AddedStyle(model, model_digest, contrast, np.array(read, np.float32))
    except ValueError as error:
        raise BundleRefused(f"model {model} read no style: {error}") from None


def style_in(tensors: Mapping[str, NDArray[Any]]) -> AddedStyle | None:
    """Return the style among some tensors; None where there is none.

    Raises
    ------
    BundleRefused
        When it is malformed.
    """
    key = next((name.removesuffix(_NUMBERS) for name in tensors if name.endswith(_NUMBERS)), None)
    if key is None:
        return None
    model, _, contrast = key.rpartition(".")
    reader = tensors.get(f"{key}{_READER}", np.empty(0))
    if reader.shape != (32,) or reader.dtype != np.uint8:
        raise BundleRefused("the style does not tell which model read it")
    try:
        return AddedStyle(model, reader.tobytes().hex(), contrast, tensors[f"{key}{_NUMBERS}"].astype(np.float32))
    except ValueError as error:
        raise BundleRefused(f"the style: {error}") from None
