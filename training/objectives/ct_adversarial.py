"""What generators of synthetic CT are judged by: patch discriminators and the losses of adversarial training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches of an image, of 70 x 70 with three layers (Isola et al. 2017).

    Parameters
    ----------
    channels
        Of what it sees.
    width
        Channels of the first layer; 64 in the paper.
    layers
        How often it halves the image.
    """

    def __init__(self, channels: int, width: int, layers: int = 3) -> None:
        super().__init__()
        widths = [min(2**level, 8) * width for level in range(layers + 1)]
        made: list[nn.Module] = [nn.Sequential(nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2))]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            convolution = nn.Conv2d(widths[level - 1], widths[level], 4, stride=stride, padding=1)
            made.append(nn.Sequential(convolution, nn.InstanceNorm2d(widths[level]), nn.LeakyReLU(0.2)))
        self.layers = nn.ModuleList([*made, nn.Conv2d(widths[-1], 1, 4, padding=1)])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of every layer; the last are the scores of patches, unbounded."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


@dataclass(frozen=True, slots=True)
class Game:
    """A way to play generator against discriminator.

    Attributes
    ----------
    deceive
        Scores of what was made -> loss of the generator.
    tell_apart
        Scores of what is real, of what was made, and the label of what is real -> loss of the discriminator.
    """

    deceive: Callable[[Tensor], Tensor]
    tell_apart: Callable[[Tensor, Tensor, float], Tensor]


def _entropy(scores: Tensor, label: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))


def _square(scores: Tensor, label: float) -> Tensor:
    return (scores - label).square().mean()


GAMES: Mapping[str, Game] = {
    "cross-entropy": Game(
        lambda made: _entropy(made, 1.0), lambda real, made, label: (_entropy(real, label) + _entropy(made, 0.0)) / 2
    ),
    "least-squares": Game(
        lambda made: _square(made, 1.0), lambda real, made, label: (_square(real, label) + _square(made, 0.0)) / 2
    ),
    "wasserstein": Game(lambda made: -made.mean(), lambda real, made, label: made.mean() - real.mean()),
}
"""Goodfellow et al. 2014; Mao et al. 2017; Arjovsky et al. 2017. A label of what is real under 1 is one-sided smoothing
(Salimans et al. 2016); a Wasserstein critic knows no labels, and needs `gradient_penalty`."""


def gradient_penalty(critic: nn.Module, real: Tensor, made: Tensor, share: Tensor) -> Tensor:
    """Return how far the critic's slope is from 1 between what is real and what was made (Gulrajani et al. 2017).

    Parameters
    ----------
    critic
        The discriminator.
    real, made
        What it sees, shape (batch, channels, rows, columns).
    share
        Shape (batch, 1, 1, 1), 0 to 1: where between.
    """
    between = torch.lerp(real.detach().float(), made.detach().float(), share).requires_grad_()
    score = critic(between)[-1].float().sum()
    (slope,) = torch.autograd.grad(score, between, create_graph=True)
    off: Tensor = slope.flatten(1).norm(dim=1) - 1
    return off.square().mean()


def feature_matching(real: list[Tensor], made: list[Tensor]) -> Tensor:
    """Return how far the discriminator's features of what was made are from those of what is real, scores excepted.

    Salimans et al. 2016; layer by layer as in Wang et al. 2018 (CVPR).
    """
    off = [(a.detach().float() - b.float()).abs().mean() for a, b in zip(real[:-1], made[:-1], strict=True)]
    return torch.stack(off).mean()


def gradient_consistency(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 minus the mean correlation of the gradients of two images (Hiasa et al. 2018, arXiv:1803.06629).

    Parameters
    ----------
    a, b
        Shape (batch, 1, rows, columns); any units. Magnitudes are compared: an edge that is bright to dark in MR may
        be dark to bright in CT.
    """
    alike = [_correlation(a.float().diff(dim=axis).abs(), b.float().diff(dim=axis).abs()) for axis in (2, 3)]
    return 1 - torch.stack(alike).mean()


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = (each - each.mean(dim=(1, 2, 3), keepdim=True) for each in (a, b))
    spread = (a.square().sum(dim=(1, 2, 3)) * b.square().sum(dim=(1, 2, 3)) + 1e-8).sqrt()
    return ((a * b).sum(dim=(1, 2, 3)) / spread).mean()
