"""A style: what a head is to look like, as numbers that can be stored; and the styles in weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.mhgan.networks import STYLE
from inference.volume import Float32Array

_PREFIX, _ENCODED = "style.", "encoded."
_BEFORE = 2
"""Numbers before the code."""


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """The style of a scanner with a protocol.

    Attributes
    ----------
    code
        Shape (`STYLE`,).
    floor
        What black is shown as; see `inference.mhgan.sight`.
    noise
        Of the air around the head, in standard deviations of the head; see `inference.mhgan.sight`.
    """

    code: Float32Array
    floor: float
    noise: float

    def __post_init__(self) -> None:
        if self.code.shape != (STYLE,) or not np.isfinite(self.numbers).all() or self.noise < 0:
            raise ValueError(f"a style has {STYLE} numbers, a black and a noise, all finite, the last not below 0")

    @classmethod
    def of(cls, numbers: NDArray[Any]) -> Style:
        """Make a style of its `numbers`.

        Raises
        ------
        ValueError
            When they are none of a style.
        """
        return cls(numbers[_BEFORE:].astype(np.float32), *map(float, numbers[:_BEFORE]))

    @property
    def numbers(self) -> Float32Array:
        """Black and noise, then the code; shape (2 + `STYLE`,)."""
        return np.concatenate([[self.floor, self.noise], self.code]).astype(np.float32)

    def tensors(self, name: str, *, kind: str = _PREFIX) -> dict[str, NDArray[Any]]:
        """Return the style as one tensor, ``style.<name>``: its `numbers`."""
        return {f"{kind}{name}": self.numbers}

    def encoded_tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """Return what the style encoder makes of a site that it was trained on: ``encoded.<name>``."""
        return self.tensors(name, kind=_ENCODED)


def mean_style(styles: Iterable[Style]) -> Style:
    """Return the mean of some styles, of which there is one at the least."""
    held = list(styles)
    code = np.mean([each.code for each in held], axis=0, dtype=np.float64)
    return Style(
        np.asarray(code, np.float32),
        floor=float(np.mean([each.floor for each in held])),
        noise=float(np.mean([each.noise for each in held])),
    )


def styles_in(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Style]:
    """Return target -> style.

    Raises
    ------
    ValueError
        When one is malformed.
    """
    return _under(_PREFIX, tensors)


def encoded_in(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Style]:
    """Return site -> the style that the encoder reads from its scans, in the order of the encoder's branches.

    Raises
    ------
    ValueError
        When one is malformed.
    """
    numbers = {name.removeprefix("site."): held for name, held in tensors.items() if name.startswith("site.")}
    found = _under(_ENCODED, tensors)
    if set(found) != set(numbers):
        raise ValueError("every site needs the style that the encoder reads from its scans")
    return {name: found[name] for name in sorted(numbers, key=lambda name: float(numbers[name][0]))}


def _under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, Style]:
    return {name.removeprefix(prefix): Style.of(held) for name, held in tensors.items() if name.startswith(prefix)}
