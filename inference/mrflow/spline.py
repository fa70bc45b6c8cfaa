"""Monotone rational-quadratic splines with straight tails (Durkan et al. 2019, arXiv:1906.04032), and their inverse."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

TAIL = 3.0
"""Beyond this, on either side of 0, a spline is the identity."""

_LEAST_BIN, _LEAST_SLOPE = 1e-2, 1e-2
_SLOPE_ONE = math.log(math.expm1(1 - _LEAST_SLOPE))


def parameters(bins: int) -> int:
    """Return how many numbers make a spline."""
    return 3 * bins - 1


def spline(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Map values.

    Parameters
    ----------
    x
        Any shape.
    raw
        That shape and `parameters` more: any numbers; zeros make the identity.

    Returns
    -------
    What the splines make of x, and the log of their slope; both of the shape of x.
    """
    inner, inside = x.clamp(-TAIL, TAIL), x.abs() < TAIL
    knots = _knots(raw)
    x0, width, y0, height, d0, d1 = _piece(knots, _bin(knots[0], inner))
    chord, at = height / width, (inner - x0) / width
    between = chord + (d1 + d0 - 2 * chord) * at * (1 - at)
    y = y0 + height * (chord * at**2 + d0 * at * (1 - at)) / between
    slope = chord**2 * (d1 * at**2 + 2 * chord * at * (1 - at) + d0 * (1 - at) ** 2) / between**2
    return torch.where(inside, y, x), torch.where(inside, slope.log(), 0.0)


def inverse(y: Tensor, raw: Tensor) -> Tensor:
    """Undo `spline`."""
    inner, inside = y.clamp(-TAIL, TAIL), y.abs() < TAIL
    knots = _knots(raw)
    x0, width, y0, height, d0, d1 = _piece(knots, _bin(knots[1], inner))
    chord, above = height / width, inner - y0
    bend = above * (d1 + d0 - 2 * chord)
    a, b, c = height * (chord - d0) + bend, height * d0 - bend, -chord * above
    at = 2 * c / (-b - (b**2 - 4 * a * c).clamp_min(0).sqrt())
    return torch.where(inside, x0 + at * width, y)


def _knots(raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where knots lie, what they are mapped to, and the slopes there; the ends are fixed."""
    bins = (raw.shape[-1] + 1) // 3
    along = []
    for part in (raw[..., :bins], raw[..., bins : 2 * bins]):
        shares = _LEAST_BIN + (1 - _LEAST_BIN * bins) * part.softmax(dim=-1)
        along.append(functional.pad(TAIL * (2 * shares.cumsum(dim=-1) - 1), (1, 0), value=-TAIL))
        along[-1] = torch.cat([along[-1][..., :-1], torch.full_like(along[-1][..., :1], TAIL)], dim=-1)
    inner = _LEAST_SLOPE + functional.softplus(raw[..., 2 * bins :] + _SLOPE_ONE)
    return along[0], along[1], functional.pad(inner, (1, 1), value=1.0)


def _bin(knots: Tensor, values: Tensor) -> Tensor:
    """Return in which piece values lie."""
    return (values[..., None] >= knots[..., 1:-1]).sum(dim=-1, keepdim=True)


def _piece(knots: tuple[Tensor, Tensor, Tensor], index: Tensor) -> tuple[Tensor, ...]:
    """Return where a piece begins and how wide it is, the same of what it is mapped to, and the slopes at its ends."""
    (x0, x1), (y0, y1), (d0, d1) = (
        (each.gather(-1, index)[..., 0], each.gather(-1, index + 1)[..., 0]) for each in knots
    )
    return x0, x1 - x0, y0, y1 - y0, d0, d1
