"""What the bounded harmonizer is trained for: decibels, the field that the simulator knows, and no harm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.bounded.network import Correction
from inference.bounded.slicing import along, curved, evened
from inference.classical.base import base_curve, scale_curve
from inference.classical.nyul import Curve
from inference.look import LEVELS, Profile

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


def judged(batch: Mapping[str, Tensor], correction: Correction, weights: Weights) -> Judged:
    """Judge corrections of a batch of `training.examples.pairs`."""
    points = batch["points"]
    even = evened(points, correction.log_gain)
    result = curved(even, _fitted(even, batch), correction)
    plain = _fitted(points, batch)
    scale, base = (torch.stack([along(pair[k], p) for pair, p in zip(plain, points, strict=True)]) for k in (0, 1))
    ours, of_scale, of_base = (_psnr(y, batch) for y in (result, scale, base))
    harm = functional.relu(torch.maximum(of_scale, of_base) - ours)
    field = _field_error(batch, correction.log_gain)
    tame = correction.log_curve.square().flatten(1).mean(dim=1)
    loss = weights.decibel * (weights.harm * harm - ours) + weights.field * field + weights.tame * tame
    return Judged(loss, ours, of_scale, of_base)


def _fitted(even: Tensor, batch: Mapping[str, Tensor]) -> list[tuple[Curve, Curve]]:
    """Fit both curves to the intensities of each head; they are taken as given, no gradient runs into the fit."""
    curves = []
    for head, tissue, aim in zip(even.detach(), batch["tissue"], batch["aim"], strict=True):
        deep, whole = (head[0][where > 0].double().numpy() for where in tissue)
        source = Profile(np.percentile(deep, LEVELS), np.percentile(whole, LEVELS))
        curves.append((scale_curve(source, top=1), base_curve(source, aim.double().numpy(), top=1)))
    return curves


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
