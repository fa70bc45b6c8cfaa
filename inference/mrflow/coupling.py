"""Layers that see the condition: couplings, where half of the channels sets how the rest is mapped, and injectors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from inference.mrflow import spline

FARTHEST = 1.5
"""Bound of the log scale of one layer: what a flow stretches by more cannot be undone exactly."""

BINS = 8
"""Of a spline."""


class Injector(nn.Module):
    """An affine map of every pixel that the condition alone sets (Lugmayr et al. 2020, arXiv:2006.14200).

    Parameters
    ----------
    channels, context
        Of the image and of the condition.
    """

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.told = _silent(nn.Conv2d(context, 2 * channels, 1))

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mapped image and the log determinant, shape (batch,)."""
        return _affine(x, self.told(context))

    def inverse(self, y: Tensor, context: Tensor) -> Tensor:
        """Undo `forward`."""
        return _affine_back(y, self.told(context))


class AffineCoupling(nn.Module):
    """An affine map of the second half of the channels that the first half and the condition set.

    Parameters
    ----------
    channels, context
        Of the image and of the condition; 0: none.
    width
        Channels of the network between.
    """

    def __init__(self, channels: int, context: int, width: int) -> None:
        super().__init__()
        self._kept = channels // 2
        self.network = network(self._kept + context, width, 2 * (channels - self._kept))

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the mapped image and the log determinant, shape (batch,)."""
        kept, mapped = x[:, : self._kept], x[:, self._kept :]
        y, log_det = _affine(mapped, self.network(beside(kept, context)))
        return torch.cat([kept, y], dim=1), log_det

    def inverse(self, y: Tensor, context: Tensor | None) -> Tensor:
        """Undo `forward`."""
        kept, mapped = y[:, : self._kept], y[:, self._kept :]
        return torch.cat([kept, _affine_back(mapped, self.network(beside(kept, context)))], dim=1)


class SplineCoupling(nn.Module):
    """As `AffineCoupling`, with a monotone spline for every pixel in place of the affine map."""

    def __init__(self, channels: int, context: int, width: int) -> None:
        super().__init__()
        self._kept, self._mapped = channels // 2, channels - channels // 2
        self.network = network(self._kept + context, width, self._mapped * spline.parameters(BINS))

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the mapped image and the log determinant, shape (batch,)."""
        kept, mapped = x[:, : self._kept], x[:, self._kept :]
        y, log_slope = spline.spline(mapped, self._splines(kept, context))
        return torch.cat([kept, y], dim=1), log_slope.sum(dim=(1, 2, 3))

    def inverse(self, y: Tensor, context: Tensor | None) -> Tensor:
        """Undo `forward`."""
        kept, mapped = y[:, : self._kept], y[:, self._kept :]
        return torch.cat([kept, spline.inverse(mapped, self._splines(kept, context))], dim=1)

    def _splines(self, kept: Tensor, context: Tensor | None) -> Tensor:
        raw = self.network(beside(kept, context))
        splines: Tensor = raw.unflatten(1, (self._mapped, -1)).movedim(2, -1)
        return splines


COUPLINGS: Mapping[str, type[AffineCoupling] | type[SplineCoupling]] = {
    "affine": AffineCoupling, "spline": SplineCoupling,
}  # fmt: skip
"""Kind -> coupling."""


class Split(nn.Module):
    """Half of the channels leaves the flow: standardised by what the other half and the condition tell of it.

    The latent is then standard normal at every level, and its norm is what Eq. 3 shrinks.

    Parameters
    ----------
    kept, leaving, context
        Channels; `kept` and `context` may be 0.
    width
        Channels of the network between.
    """

    def __init__(self, kept: int, leaving: int, context: int, width: int) -> None:
        super().__init__()
        self.network = network(max(kept + context, 1), width, 2 * leaving)

    def forward(self, leaving: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latent and the log determinant, shape (batch,)."""
        return _affine(leaving, self.network(seen))

    def inverse(self, z: Tensor, seen: Tensor) -> Tensor:
        """Undo `forward`."""
        return _affine_back(z, self.network(seen))


def network(seen: int, width: int, told: int) -> nn.Sequential:
    """Return three convolutions whose answer is 0 at the start."""
    return nn.Sequential(
        nn.Conv2d(seen, width, 3, padding=1), nn.ReLU(),
        nn.Conv2d(width, width, 1), nn.ReLU(),
        _silent(nn.Conv2d(width, told, 3, padding=1)),
    )  # fmt: skip


def beside(x: Tensor, context: Tensor | None) -> Tensor:
    """Put the condition beside an image, if there is one."""
    return x if context is None else torch.cat([x, context], dim=1)


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _bounded(raw: Tensor) -> tuple[Tensor, Tensor]:
    log_scale, shift = raw.chunk(2, dim=1)
    return FARTHEST * torch.tanh(log_scale / FARTHEST), shift


def _affine(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    log_scale, shift = _bounded(raw)
    return (x + shift) * log_scale.exp(), log_scale.sum(dim=(1, 2, 3))


def _affine_back(y: Tensor, raw: Tensor) -> Tensor:
    log_scale, shift = _bounded(raw)
    return y * (-log_scale).exp() - shift
