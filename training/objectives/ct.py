"""What a synthetic CT is judged by in training: absolute error and error of its gradients, in the head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from inference.ct.hounsfield import RANGE_HU
from inference.ct.network import HU_PER_UNIT

BONE_HU = 250.0
"""Denser voxels count as bone in what is told about progress."""


@dataclass(frozen=True, slots=True)
class CtLoss:
    """A loss with what it tells.

    Attributes
    ----------
    loss
        Scalar, in parts of `HU_PER_UNIT`.
    mae_hu
        Mean absolute error where ``inside`` is 1, of the answer clipped to `RANGE_HU`.
    bone_dice
        Overlap of what is denser than `BONE_HU`, in the same place.
    """

    loss: Tensor
    mae_hu: float
    bone_dice: float


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of values by weight; 0 where there is no weight."""
    return (values * weight).sum() / weight.sum().clamp_min(1.0)


def gradient_error(answer: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Return how far differences of neighbours are off, along every axis but the first two (after Mathieu et al. 2016).

    Parameters
    ----------
    answer, truth, weight
        Same shape: (batch, channels, …).
    """
    total = answer.new_zeros(())
    for axis in range(2, answer.ndim):
        if answer.shape[axis] > 1:
            both = torch.minimum(
                weight.narrow(axis, 1, weight.shape[axis] - 1), weight.narrow(axis, 0, -1 + weight.shape[axis])
            )
            off = (answer.diff(dim=axis) - truth.diff(dim=axis)).abs()
            total = total + masked_mean(off, both)
    return total


def ct_loss(
    answer: Tensor, ct: Tensor, masks: tuple[Tensor, Tensor], *, gradients: float, squared_hu: float = 0.0
) -> CtLoss:
    """Judge an answer.

    Parameters
    ----------
    answer
        Of a network, in parts of `HU_PER_UNIT`.
    ct
        Truth, HU; same shape.
    masks
        ``weight`` and ``inside`` of the example: where the loss is taken, and where progress is told.
    gradients
        Weight of their error.
    squared_hu
        Smaller errors count by their square (Girshick 2015, ICCV): the best answer where bone is possible is then a
        little of it. By absolute errors it is none at all until bone is likelier than not.
    """
    weight, inside = masks
    answer, truth = answer.float(), ct / HU_PER_UNIT
    error = functional.smooth_l1_loss(answer, truth, reduction="none", beta=squared_hu / HU_PER_UNIT)
    loss = masked_mean(error, weight) + gradients * gradient_error(answer, truth, weight)
    with torch.no_grad():
        clipped = (answer * HU_PER_UNIT).clamp(*RANGE_HU)
        mae_hu = masked_mean((clipped - ct).abs(), inside).item()
        dice = bone_dice(clipped, ct, inside)
    return CtLoss(loss, mae_hu, dice)


def bone_dice(answer_hu: Tensor, ct: Tensor, inside: Tensor) -> float:
    """Return the Dice overlap of bone; 1 where neither has any."""
    ours, true = ((each > BONE_HU) & (inside > 0) for each in (answer_hu, ct))
    both = (ours & true).sum().item()
    either = ours.sum().item() + true.sum().item()
    return 2 * both / either if either else 1.0
