"""What a synthetic CT is judged by in training: likelihood, absolute error and error of its gradients, in the head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inference.ct.hounsfield import RANGE_HU
from inference.ct.network import HU_PER_UNIT, NODES_HU, fold

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


def ct_loss(answer: Tensor, ct: Tensor, masks: tuple[Tensor, Tensor], *, gradients: float) -> CtLoss:
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
    """
    weight, inside = masks
    answer, truth = answer.float(), ct / HU_PER_UNIT
    loss = masked_mean((answer - truth).abs(), weight) + gradients * gradient_error(answer, truth, weight)
    with torch.no_grad():
        clipped = (answer * HU_PER_UNIT).clamp(*RANGE_HU)
        mae_hu = masked_mean((clipped - ct).abs(), inside).item()
        dice = bone_dice(clipped, ct, inside)
    return CtLoss(loss, mae_hu, dice)


def surprise(likely: Tensor, ct: Tensor, weight: Tensor) -> Tensor:
    """Return the cross-entropy of likelihoods: a truth between two nodes is a little of both.

    Parameters
    ----------
    likely
        Logits, see `inference.ct.network.ResidualUnet.likely`.
    ct, weight
        HU, and where it counts; shape (batch, 1, slices, rows, columns).
    """
    nodes = torch.tensor(NODES_HU, device=ct.device)
    truth = fold(ct).clamp(NODES_HU[0], NODES_HU[-1]).contiguous()
    above = torch.searchsorted(nodes, truth).clamp(min=1)
    low, high = nodes[above - 1], nodes[above]
    share = (truth - low) / (high - low)
    said = likely.float().log_softmax(dim=1)
    below, on_top = (said.gather(1, at[:, None]).squeeze(1) for at in (above - 1, above))
    return masked_mean(-(1 - share) * below - share * on_top, fold(weight))


def bone_dice(answer_hu: Tensor, ct: Tensor, inside: Tensor) -> float:
    """Return the Dice overlap of bone; 1 where neither has any."""
    ours, true = ((each > BONE_HU) & (inside > 0) for each in (answer_hu, ct))
    both = (ours & true).sum().item()
    either = ours.sum().item() + true.sum().item()
    return 2 * both / either if either else 1.0
