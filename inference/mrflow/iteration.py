"""The iteration of the seed's Eq. 3: towards the source's pattern, still where it is still, nearer to the target.

Jeong H, Kang DU, Kim J, Lee J. MRFlow: normalizing flow-based MR image harmonization. One round, with f the flow:

    x <- x - beta_likeness grad F - beta_edges grad E,   z <- (1 - alpha) f(x),   x <- f^-1(z)

F = -NCC(x, source), E = |M . grad x|_1, M where the source has no edge. The published equation has NCC with a plus and
f in place of its inverse; both are slips. Latent and condition: see `inference.mrflow.flow`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inference.mrflow.edges import sobel
from inference.mrflow.flow import Flow
from inference.mrflow.settings import PLANES, FlowSettings
from inference.planes import fused
from inference.volume import Float32Array

_LEAST_SPREAD = 1e-4


def harmonized(flow: Flow, source: Tensor, settings: FlowSettings) -> Tensor:
    """Bring slices to the look that a flow has learned.

    Parameters
    ----------
    flow
        Of the target.
    source
        Shape (batch, 1, rows, columns), the anchor of the head at 1; rows and columns are multiples of
        `FlowShape.multiple`.
    settings
        Of the iteration.
    """
    kept = [1 - alpha for alpha in settings.shrinking(flow.shape.levels)]
    context = flow.context(source)
    still = still_in(source, settings) if settings.beta_edges else None
    x = source
    for _ in range(settings.iterations):
        if settings.beta_likeness:
            x = x + settings.beta_likeness * towards_pattern(x, source)
        if still is not None:
            x = x - settings.beta_edges * against_rise(x, still)
        latents, _ = flow(x, context)
        x = flow.inverse([part * z for part, z in zip(kept, latents, strict=True)], context)
    return x


def harmonized_volume(flow: Flow, source: Float32Array, settings: FlowSettings, *, device: str) -> Float32Array:
    """Bring a volume to the look of a flow, slice by slice; of several planes the mean counts.

    Parameters
    ----------
    flow, settings
        As in `harmonized`.
    source
        Shape of the frame, the anchor of the head at 1.
    device
        That the flow is on.
    """
    with torch.inference_mode():
        given = torch.from_numpy(source).to(device)
        axes = [PLANES.index(plane) for plane in settings.planes]
        made = fused(given, lambda slices: harmonized(flow, slices, settings), axes=axes)
    return made.cpu().numpy()


def still_in(source: Tensor, settings: FlowSettings) -> Tensor:
    """Return where slices have tissue and no edge: 1 there, 0 elsewhere; shape of the source."""
    rise = sobel(source).square().sum(dim=1, keepdim=True).sqrt()
    limit = rise.flatten(1).quantile(settings.still_percentile / 100, dim=1).reshape(-1, 1, 1, 1)
    return ((rise < limit) & (source > settings.still_above)).to(source.dtype)


def towards_pattern(x: Tensor, source: Tensor) -> Tensor:
    """Return the gradient of NCC(x, source) slice by slice, times the number of pixels and the variance of x.

    In units of x: with both standardised it is the spread of x times (source - NCC x); 0 where x is the source under
    another scale and offset.
    """
    (centred, spread), (other, _) = _standardised(x), _standardised(source)
    likeness = (centred * other).mean(dim=(1, 2, 3), keepdim=True)
    return spread * (other - likeness * centred)


def against_rise(x: Tensor, still: Tensor) -> Tensor:
    """Return the gradient of |M . grad x|_1, rises being those to the next row and column."""
    gradient = torch.zeros_like(x)
    for axis in (2, 3):
        length = x.shape[axis] - 1
        signs = x.diff(dim=axis).sign() * still.narrow(axis, 0, length)
        gradient.narrow(axis, 1, length).add_(signs)
        gradient.narrow(axis, 0, length).sub_(signs)
    return gradient


def _standardised(x: Tensor) -> tuple[Tensor, Tensor]:
    centred = x - x.mean(dim=(1, 2, 3), keepdim=True)
    spread = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(_LEAST_SPREAD)
    return centred / spread, spread
