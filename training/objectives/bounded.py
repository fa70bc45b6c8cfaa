"""What the bounded harmonizer is trained for: decibels, the field that the simulator knows, and no harm."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.bounded.network import Correction
from inference.bounded.slicing import along, curved, evened
from inference.classical.base import SPREAD, STEEPEST, Gaps, gaps
from inference.look import LEVELS, Profile

Judge = Callable[[Tensor, Tensor], Tensor]
"""From what the network knows and the gaps that are left to the spread; see `BoundedNetwork.spread`."""

_FLOOR = 2e-4
"""Mean squared error, in parts of the squared range, below which little is to be gained: 37 dB.

Without it cases that are nearly right already drown all others, and the network learns to do nothing.
"""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much the parts of the objective count.

    Attributes
    ----------
    decibel
        One decibel of the result.
    field
        A mean squared error of 1 of the log gain.
    harm
        One decibel below the better of the two curves.
    tame
        A mean squared local curve of 1.
    """

    decibel: float = 1.0
    field: float = 600.0
    harm: float = 0.5
    tame: float = 5.0

    @classmethod
    def at(cls, step: int) -> Weights:
        """Return the weights of a step: the field is learned first.

        From the start decibels would teach the network to touch nothing: whatever it does to an image that is nearly
        right costs more than it gains on one that is not.
        """
        share = min(1.0, max(0.1, (step - _FIELD_FIRST) / _FIELD_FIRST))
        return cls(decibel=share)


_FIELD_FIRST = 800
"""Steps."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a batch; each of shape (batch,).

    Attributes
    ----------
    loss
        To be made small.
    psnr_db, psnr_scale_db, psnr_base_db
        Of the result, of the scale alone and of the base curve; inside the head, against the truth's 99.8th percentile.
    """

    loss: Tensor
    psnr_db: Tensor
    psnr_scale_db: Tensor
    psnr_base_db: Tensor


def judged(batch: Mapping[str, Tensor], correction: Correction, judge: Judge, weights: Weights) -> Judged:
    """Judge corrections of a batch of `training.examples.pairs`; `judge` is the network's `spread`."""
    points = batch["points"]
    even = evened(points, correction.log_gain)
    left = _gaps(even, batch)
    result = curved(_based(even, left, judge(correction.told, _all_differences(left))), correction.log_curve)
    plain = _gaps(points, batch)
    as_table = torch.ones(len(plain), SPREAD.size)
    scale, base = (_based(points, plain, spread) for spread in (as_table * torch.inf, as_table))
    ours, of_scale, of_base = (_psnr(y, batch) for y in (result, scale, base))
    harm = functional.relu(torch.maximum(of_scale, of_base) - ours)
    field = _field_error(batch, correction.log_gain)
    tame = correction.log_curve.square().flatten(1).mean(dim=1)
    loss = weights.decibel * (weights.harm * harm - ours) + weights.field * field + weights.tame * tame
    return Judged(loss, ours, of_scale, of_base)


def _gaps(even: Tensor, batch: Mapping[str, Tensor]) -> list[Gaps]:
    """Return where each head, as it is now, and its look differ; no gradient runs into that."""
    found = []
    for head, tissue, aim in zip(even.detach(), batch["tissue"], batch["aim"], strict=True):
        deep, whole = (head[0][where > 0].double().numpy() for where in tissue)
        source = Profile(np.percentile(deep, LEVELS), np.percentile(whole, LEVELS))
        found.append(gaps(source, aim.double().numpy(), top=1))
    return found


def _all_differences(found: Sequence[Gaps]) -> Tensor:
    return torch.from_numpy(np.stack([gap.all_differences for gap in found])).float()


def _based(even: Tensor, found: Sequence[Gaps], spread: Tensor) -> Tensor:
    """Apply to each head the base curve that its intensities call for."""
    heads = zip(even, found, spread, strict=True)
    return torch.stack([along([0.0, *gap.levels], base_slopes(gap, own), head) for head, gap, own in heads])


def base_slopes(gap: Gaps, spread: Tensor) -> Tensor:
    """Return the slopes of `inference.classical.base.base_curve`, with a gradient into the spread, none into the gaps.

    Parameters
    ----------
    gap
        Between head and look.
    spread
        Shape (landmarks,), in parts of `SPREAD`.

    Returns
    -------
    Shape (n + 1,): of the pieces between the n levels, and of what lies beyond.
    """
    differs = torch.from_numpy(gap.differs).float()
    wide = spread[torch.from_numpy(gap.kept)] * torch.from_numpy(SPREAD[gap.kept]).float()
    wanted = torch.from_numpy(gap.levels * gap.scale).float() * torch.exp(differs**3 / (differs**2 + wide**2))
    reached, before, slopes = torch.zeros(()), 0.0, []
    for level, value in zip(gap.levels.tolist(), wanted, strict=True):
        slope = ((value - reached) / (level - before)).clamp(gap.scale / STEEPEST, gap.scale * STEEPEST)
        reached, before = reached + slope * (level - before), level
        slopes.append(slope)
    return torch.stack([*slopes, torch.minimum(slopes[-1], reached / before)])


def _psnr(result: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    error = ((result - batch["truth"]).square() * batch["weight"]).flatten(1).sum(1) / batch["weight"].flatten(1).sum(1)
    return -10 / math.log(10) * torch.log(error / batch["top"][:, 0].square() + _FLOOR)


def _field_error(batch: Mapping[str, Tensor], log_gain: Tensor) -> Tensor:
    """Return the mean squared error of the log gain inside the head, where the truth is known; its level is free."""
    inside = functional.avg_pool3d(batch["image"][:, 2:3], 4)
    error = log_gain - batch["gain"]
    total = inside.flatten(1).sum(1).clamp_min(1e-3)
    level = (error * inside).flatten(1).sum(1) / total
    error = (error - level.reshape(-1, 1, 1, 1, 1)).square() * inside
    return error.flatten(1).sum(1) / total * batch["gain_known"][:, 0]
