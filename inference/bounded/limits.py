"""The limits of the bounded harmonizer, as code that cannot be talked out of them."""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST_LOG_GAIN = 0.35
"""Of the field: a factor of 0.70 to 1.42 at the most."""

STEEPEST_LOG_GAIN_PER_MM = 0.01
"""How much the log gain may change from place to place."""

STEEPEST_CURVE = 0.2
"""How far a local curve may turn contrast up or down: its slope against its chord is 0.8 to 1.2."""

KNOTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.6, 2.2)
"""Intensities, in parts of a look's `TOP`, between which a local curve is linear in its log gain."""

ANCHOR_KNOT = 4
"""The knot at which a local curve has no effect: there the field alone acts."""


def log_gain(raw: Tensor) -> Tensor:
    """Return the field's log gain from what the network says, of any shape: smooth at 0, never beyond the limit."""
    return LARGEST_LOG_GAIN * torch.tanh(raw)


def log_curve(raw: Tensor) -> Tensor:
    """Return the local curves' log gain at `KNOTS` from what the network says.

    With y = u exp(c(u)) the slope against the chord is 1 + u dc/du: each step of c is bounded so that it stays within
    1 +- `STEEPEST_CURVE` at the step's upper end, where it is largest.

    Parameters
    ----------
    raw
        Shape (batch, knots - 1, …): one number a step between knots.

    Returns
    -------
    Shape (batch, knots, …).
    """
    knots = torch.tensor(KNOTS, dtype=raw.dtype, device=raw.device)
    most = STEEPEST_CURVE * (knots[1:] - knots[:-1]) / knots[1:]
    steps = torch.tanh(raw) * most.reshape(1, -1, *[1] * (raw.ndim - 2))
    rising = torch.cat([torch.zeros_like(steps[:, :1]), torch.cumsum(steps, dim=1)], dim=1)
    return rising - rising[:, ANCHOR_KNOT : ANCHOR_KNOT + 1]


def limit_change(log_gains: Tensor, cell_mm: float) -> Tensor:
    """Flatten a field until no cell differs from a neighbour by more than the limit.

    Parameters
    ----------
    log_gains
        Shape (batch, channels, slices, rows, columns), one number a cell.
    cell_mm
        Side of the cells.

    Returns
    -------
    Same shape: the same field where it is within the limit, else all of it brought towards its mean.
    """
    most = STEEPEST_LOG_GAIN_PER_MM * cell_mm
    steepest = torch.stack([torch.diff(log_gains, dim=axis).abs().flatten(1).amax(dim=1) for axis in (2, 3, 4)]).amax(
        dim=0
    )
    share = (most / steepest.clamp_min(most)).reshape(-1, 1, 1, 1, 1)
    mean = log_gains.mean(dim=(2, 3, 4), keepdim=True)
    return mean + share * (log_gains - mean)
