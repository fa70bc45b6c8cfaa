"""The losses of the multi-harmonization GAN: what the seed names, each as one function.

Codes have shape (batch, numbers), slices (batch, channels, rows, columns) with the channels neighbours in the head,
scores (batch, 1). Expectations are means over all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each loss counts.

    Attributes
    ----------
    previous, temporal
        lambda 1 and lambda 2 of the seed: of all that StarGAN v2 has, and of what holds neighbouring slices together.
    cycle, style, diversity
        Within the first.
    diversity_until
        Step at which that of diversity has come down to 0, on a line.
    """

    previous: float
    temporal: float
    cycle: float
    style: float
    diversity: float
    diversity_until: int

    def diversity_at(self, step: int) -> float:
        """Return the weight of diversity at a step."""
        return self.diversity * max(0.0, 1 - step / self.diversity_until)


def taken_for_real(scores: Tensor) -> Tensor:
    """Return -log D of slices: small where they are taken for real; the generator's part of the adversarial loss."""
    return functional.softplus(-scores.float()).mean()


def told_apart(real: Tensor, made: Tensor) -> Tensor:
    """Return -log D(x) - log(1 - D(G(x, s))): the discriminator's part of the adversarial loss."""
    return functional.softplus(-real.float()).mean() + functional.softplus(made.float()).mean()


def slope_penalty(scores: Tensor, real: Tensor) -> Tensor:
    """Return half the squared gradient of the scores of real slices (R1; Mescheder et al. 2018, ICML), mean over them.

    Parameters
    ----------
    scores
        Of `real`, which needs gradients.
    real
        Slices.
    """
    (slope,) = torch.autograd.grad(scores.float().sum(), real, create_graph=True)
    return 0.5 * slope.float().square().flatten(1).sum(dim=1).mean()


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean absolute difference.

    Of styles it is L_sty; of a slice and what came back L_cyc; of what two styles make of a slice L_div.
    """
    return (a.float() - b.float()).abs().mean()


def incoherence(source: Tensor, made: Tensor) -> Tensor:
    """Return how far neighbouring slices do not change together: |(y' - y) - g (x' - x)|.

    The seed gives only the weight of its temporal coherence loss; this is our reading. g is the ratio of the spreads
    of y and x, of each example, and is not learned through: a style may change contrast, not make slices jump.

    Parameters
    ----------
    source, made
        x and y: slices with neighbours as channels.
    """
    source, made = source.float(), made.float()
    spreads = [each.flatten(1).std(dim=1).clamp_min(_LEAST_SPREAD) for each in (made, source)]
    gain = (spreads[0] / spreads[1]).detach()[:, None, None, None]
    return distance(made.diff(dim=1), gain * source.diff(dim=1))


def overlap(made: Tensor, beside: Tensor) -> Tensor:
    """Return how far two stacks disagree about the slices that both show.

    Parameters
    ----------
    made
        Of slices k - 1, k, k + 1.
    beside
        Of slices k, k + 1, k + 2.
    """
    return distance(made[:, 1:], beside[:, :-1])
