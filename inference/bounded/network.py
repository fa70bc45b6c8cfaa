"""The network of the bounded harmonizer: from a coarse head and a look to a gain field and small local curves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.bounded.histograms import BINS
from inference.bounded.limits import KNOTS, limit_change, log_curve, log_gain
from inference.classical.base import SPREAD

CHANNELS = 4
"""Of the image: the head under the scale alone, under the base curve, its mask, and the mask of its deep part."""

ADDED = 5
"""Channels that the network adds: the log of the first two, where a gain is a shift; and three coordinates, -1 to 1."""

GAIN_MM = 16.0
"""Side of the cells of the gain field."""

CURVE_MM = 32.0
"""Side of the cells of the local curves."""

LANDMARKS = SPREAD.size
"""Of the base curve."""

CONTEXT = 128
"""Length of what the network knows of the whole task."""

_WIDEST = 3.5
"""Log of how far from the table the network may judge people to differ: from matching in full to hardly any."""

_FARTHEST = 1.5
"""Log of how far intensities may be from a look to be told apart by how far they are."""

_STRONGER = 4.0
"""Gaps are mostly a few tenths: this brings them to the size of what is told."""

_DARK = 0.1
_FAINT = 1e-3
_REACH = 4

_SPREAD = torch.tensor([1.0, 4.0, 1.0]) / 6


@dataclass(frozen=True, slots=True)
class Correction:
    """What the network makes of a batch.

    Attributes
    ----------
    told
        Shape (batch, `CONTEXT`): what the network knows of the whole task; `BoundedNetwork.spread` goes on from there.
    log_gain
        Shape (batch, 1, slices, rows, columns), cells of `GAIN_MM`.
    log_curve
        Shape (batch, knots, slices, rows, columns), cells of `CURVE_MM`.
    """

    told: Tensor
    log_gain: Tensor
    log_curve: Tensor


def without_cells(correction: Correction) -> Correction:
    """Return a correction without its cells: no field, no local curves."""
    return Correction(correction.told, torch.zeros_like(correction.log_gain), torch.zeros_like(correction.log_curve))


class _Block(nn.Module):
    """Two convolutions beside a short cut; the look scales and shifts what stands between them."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width, width, 3, padding=1)
        self.second = nn.Conv3d(width, width, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(8, width), nn.GroupNorm(8, width)])
        self.film = nn.Linear(context, 2 * width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.film(context)[:, :, None, None, None].chunk(2, dim=1)
        y = self.first(functional.silu(self.norms[0](x)))
        y = self.norms[1](y) * (1 + scale) + shift
        result: Tensor = x + self.second(functional.silu(y))
        return result


class BoundedNetwork(nn.Module):
    """Sees a head at 4 mm and what is wanted of it; answers in cells of 16 and 32 mm.

    Parameters
    ----------
    widths
        Channels at 8, 16 and 32 mm; multiples of 8.
    context
        Length of the description of source and look.
    """

    def __init__(self, widths: tuple[int, int, int], context: int) -> None:
        super().__init__()
        fine, middle, wide = widths
        self.describe = nn.Sequential(nn.Linear(context, 128), nn.SiLU(), nn.Linear(128, 128), nn.LayerNorm(128))
        self.enter = nn.Conv3d(CHANNELS + ADDED, fine, 4, stride=2, padding=1)
        self.enter_histograms = nn.Conv3d(BINS, fine, 3, padding=1)
        self.fine = _Block(fine, 128)
        self.down = nn.Conv3d(fine, middle, 2, stride=2)
        self.middle = nn.ModuleList([_Block(middle, 128) for _ in range(2)])
        self.down_again = nn.Conv3d(middle, wide, 2, stride=2)
        self.wide = nn.ModuleList([_Block(wide, 128) for _ in range(3)])
        self.whole = nn.Linear(wide, 128)
        self.settle = nn.LayerNorm(128)
        self.last_wide = _Block(wide, 128)
        self.up = nn.Conv3d(wide, middle, 1)
        self.last_middle = _Block(middle, 128)
        self.before_gain, self.before_curve = nn.GroupNorm(8, middle), nn.GroupNorm(8, wide)
        self.to_gain = nn.Conv3d(middle, 1, 3, padding=1)
        self.to_curve = nn.Conv3d(wide, len(KNOTS) - 1, 3, padding=1)
        self.judge = nn.Sequential(
            nn.Linear(CONTEXT + 2 * LANDMARKS, CONTEXT), nn.SiLU(), nn.Linear(CONTEXT, CONTEXT), nn.SiLU()
        )
        self.to_spread = nn.Linear(CONTEXT, LANDMARKS)
        for last in (self.to_gain, self.to_curve, self.to_spread):
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, image: Tensor, histograms: Tensor, context: Tensor) -> Correction:
        """Answer for a batch.

        Parameters
        ----------
        image
            Shape (batch, `CHANNELS`, slices, rows, columns), voxels of 4 mm, each length a multiple of 8.
        histograms
            Shape (batch, `BINS`, slices / 2, rows / 2, columns / 2); see `inference.bounded.histograms`.
        context
            Shape (batch, context).
        """
        told = self.describe(context)
        seen = self.enter(torch.cat([image, torch.log(image[:, :2] + _DARK), _places(image)], dim=1))
        x = self.fine(seen + self.enter_histograms(histograms), told)
        x = self.down(x)
        for block in self.middle:
            x = block(x, told)
        kept = x
        x = self.down_again(x)
        for block in self.wide:
            x = block(x, told)
        told = self.settle(told + self.whole(x.mean(dim=(2, 3, 4))))
        x = self.last_wide(x, told)
        curves = self.to_curve(functional.silu(self.before_curve(x)))
        y = functional.interpolate(self.up(x), size=kept.shape[2:], mode="trilinear", align_corners=False)
        gains = self.to_gain(functional.silu(self.before_gain(self.last_middle(kept + y, told))))
        return bounded(told, gains, curves, inside=image[:, 2:3])

    def spread(self, told: Tensor, gaps: Tensor) -> Tensor:
        """Judge how much people differ, once the field has been applied: what is left is what has to be explained.

        Parameters
        ----------
        told
            Of the correction.
        gaps
            Shape (batch, landmarks): log of what the look has at the landmarks of the base curve against what the
            evened head has; see `inference.classical.base.gaps`.

        Returns
        -------
        Shape (batch, landmarks), in parts of `inference.classical.base.SPREAD`: where it is large a difference is left,
        where it is small it is matched.
        """
        left = gaps.clamp(-_FARTHEST, _FARTHEST)
        known = self.judge(torch.cat([told, _STRONGER * left, _STRONGER * left.abs()], dim=1))
        return torch.exp(_WIDEST * torch.tanh(self.to_spread(known).float()))


def bounded(told: Tensor, gains: Tensor, curves: Tensor, *, inside: Tensor) -> Correction:
    """Make a correction of what a network says: whatever that is, the correction keeps the limits.

    Parameters
    ----------
    told, gains, curves
        Shapes (batch, `CONTEXT`), (batch, 1, …) in cells of `GAIN_MM`, (batch, knots - 1, …) in cells of `CURVE_MM`;
        any numbers.
    inside
        Shape (batch, 1, …) at 4 mm: how much of each voxel is head.
    """
    with torch.autocast(gains.device.type, enabled=False):  # limits hold in full precision
        return Correction(
            told=told.float(),
            log_gain=limit_change(_field(gains.float(), inside.float()), GAIN_MM),
            log_curve=log_curve(_smoothed(curves.float())),
        )


def _places(image: Tensor) -> Tensor:
    batch, _, *shape = image.shape
    lines = (torch.linspace(-1, 1, length, device=image.device, dtype=image.dtype) for length in shape)
    return torch.stack(torch.meshgrid(*lines, indexing="ij")).expand(batch, 3, *shape)


def _field(raw: Tensor, inside: Tensor) -> Tensor:
    """Return the log gain: without a level, which is the curves' to set, and even where there is no head.

    Nothing is known outside the head: there the field goes on as it is nearby, so that nothing steep arises.

    Parameters
    ----------
    raw
        Shape (batch, 1, slices, rows, columns): what the network says.
    inside
        Shape (batch, 1, …), four times as fine: how much of each voxel is head.
    """
    head = functional.avg_pool3d(inside, 4)
    volume = head.sum(dim=(2, 3, 4), keepdim=True).clamp_min(_FAINT)
    level = (raw * head).sum(dim=(2, 3, 4), keepdim=True) / volume
    cells = _smoothed(log_gain(raw - level))  # without its level it cannot drift to where the limit stops all learning
    known, weight = cells * head, head
    for _ in range(_REACH):
        known, weight = _smoothed(known), _smoothed(weight)
    return torch.lerp(known / (weight + _FAINT), cells, head)


def _smoothed(cells: Tensor) -> Tensor:
    """Take cells as coefficients of a cubic B-spline: neighbours cannot differ much, and edges of cells do not show."""
    channels = cells.shape[1]
    for axis in (2, 3, 4):
        kernel = _SPREAD.to(cells).reshape([3 if a == axis else 1 for a in range(5)]).expand(channels, 1, -1, -1, -1)
        padding = [0, 0, 0, 0, 0, 0]
        padding[2 * (4 - axis)] = padding[2 * (4 - axis) + 1] = 1
        cells = functional.conv3d(functional.pad(cells, padding, mode="replicate"), kernel, groups=channels)
    return cells
