"""The networks of the multi-harmonization GAN: generator, mapping network, style encoder, discriminator.

As in StarGAN v2 (Choi et al. 2020, CVPR), written afresh from the paper, at any width. Slices have three channels: a
slice of a head between its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.mhgan.intensities import Bands, curved

SEEN = 3
"""Slices that every network sees, and that the generator gives: one and its neighbours."""

STYLE = 64
"""Numbers in a style code."""

LATENT = 16
"""Numbers in a latent code."""

_SLOPE = 0.2
_CORNER = 4
"""Rows and columns that discriminator and style encoder come down to before they judge the whole slice."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the networks are.

    Attributes
    ----------
    width, judge_width, widest
        Channels of the first layer of the generator, and of style encoder and discriminator; and the most that any
        layer has: each halving doubles them up to there. 64, 64 and 512 in the seed.
    halvings
        How often the generator halves a slice; 4 in the seed.
    bottleneck
        Residual blocks at the bottom, half of them with the source's own statistics, half with the style's: 4.
    hidden
        Of the mapping network; 512 in the seed.
    side
        Rows and columns of slices; 256 in StarGAN v2.
    residual
        Whether the generator adds to what it sees: 1, or gives all of the slice: 0, as in the seed.
    curves
        At how many intensities the generator says, for each place, what is added there: a local curve, of use with
        `residual` alone. 0, as in the seed: it gives the pixels themselves.
    fold
        Side of the squares of pixels that all networks take as channels of one: 1, none, in the seed.
    bands
        How many bands of intensity style encoder and discriminator are shown beside the slice; 0 in the seed.
    """

    width: int
    judge_width: int
    widest: int
    halvings: int
    bottleneck: int
    hidden: int
    side: int
    residual: int
    curves: int
    fold: int
    bands: int

    @property
    def channels(self) -> list[int]:
        """Of the generator, before and after each halving."""
        return [min(self.width * 2**level, self.widest) for level in range(self.halvings + 1)]

    @property
    def judge_channels(self) -> list[int]:
        """Of discriminator and style encoder, before and after each halving, down to 4 x 4."""
        halvings = round(math.log2(self.side / self.fold / _CORNER))
        return [min(self.judge_width * 2**level, self.widest) for level in range(halvings + 1)]


class Block(nn.Module):
    """A residual block: two convolutions beside a short cut, their sum scaled to the variance of one.

    Parameters
    ----------
    given, wanted
        Channels in and out.
    halve
        Whether rows and columns are halved.
    normalise
        Whether each channel is brought to mean 0 and spread 1 first.
    """

    def __init__(self, given: int, wanted: int, *, halve: bool = False, normalise: bool = False) -> None:
        super().__init__()
        self._halve = halve
        self.first, self.second = nn.Conv2d(given, given, 3, padding=1), nn.Conv2d(given, wanted, 3, padding=1)
        norms = [nn.InstanceNorm2d(given, affine=True) if normalise else nn.Identity() for _ in range(2)]
        self.norm_first, self.norm_second = norms
        self.short = nn.Identity() if given == wanted else nn.Conv2d(given, wanted, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features."""
        made = self.first(functional.leaky_relu(self.norm_first(x), _SLOPE))
        if self._halve:  # before the second convolution and the short cut's: both are linear, and cheaper there
            made, x = functional.avg_pool2d(made, 2), functional.avg_pool2d(x, 2)
        made = self.second(functional.leaky_relu(self.norm_second(made), _SLOPE))
        result: Tensor = (made + self.short(x)) * math.sqrt(0.5)
        return result


class AdaptiveNorm(nn.Module):
    """Brings each channel to the mean and spread that a style asks for (AdaIN; Huang and Belongie 2017, ICCV).

    Parameters
    ----------
    channels
        Of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.asked = nn.Linear(STYLE, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return features; `style` has shape (batch, `STYLE`)."""
        gain, offset = self.asked(style)[:, :, None, None].chunk(2, dim=1)
        result: Tensor = (1 + gain) * functional.instance_norm(x) + offset
        return result


class StyledBlock(nn.Module):
    """A residual block of the decoder: what it normalises takes on a style.

    Parameters
    ----------
    given, wanted
        Channels in and out.
    double
        Whether rows and columns are doubled.
    """

    def __init__(self, given: int, wanted: int, *, double: bool = False) -> None:
        super().__init__()
        self._double = double
        self.first, self.second = nn.Conv2d(given, wanted, 3, padding=1), nn.Conv2d(wanted, wanted, 3, padding=1)
        self.norm_first, self.norm_second = AdaptiveNorm(given), AdaptiveNorm(wanted)
        self.short = nn.Identity() if given == wanted else nn.Conv2d(given, wanted, 1, bias=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return features."""
        made, kept = functional.leaky_relu(self.norm_first(x, style), _SLOPE), self.short(x)
        if self._double:
            made, kept = (functional.interpolate(each, scale_factor=2.0) for each in (made, kept))
        made = self.second(functional.leaky_relu(self.norm_second(self.first(made), style), _SLOPE))
        result: Tensor = (made + kept) * math.sqrt(0.5)
        return result


class Generator(nn.Module):
    """Makes slices in a style.

    Parameters
    ----------
    sizes
        How large.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        channels = sizes.channels
        pairs = list(pairwise(channels))
        half = sizes.bottleneck // 2
        self.side = sizes.side
        self._residual, self._curves, self._fold = bool(sizes.residual), bool(sizes.curves), sizes.fold
        folded = SEEN * sizes.fold**2
        self.see = nn.Conv2d(folded, channels[0], 3, padding=1)
        down = [Block(fine, deep, halve=True, normalise=True) for fine, deep in pairs]
        self.down = nn.ModuleList(down + [Block(channels[-1], channels[-1], normalise=True) for _ in range(half)])
        up = [StyledBlock(channels[-1], channels[-1]) for _ in range(half)]
        self.up = nn.ModuleList(up + [StyledBlock(deep, fine, double=True) for fine, deep in reversed(pairs)])
        self.norm = nn.InstanceNorm2d(channels[0], affine=True)
        self.give = nn.Conv2d(channels[0], sizes.curves or folded, 1)
        if self._residual:  # it begins as one that changes nothing
            nn.init.zeros_(self.give.weight)
            nn.init.zeros_(_bias(self.give))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return slices.

        Parameters
        ----------
        x
            Shape (batch, `SEEN`, rows, columns), -1 to 1; lengths are multiples of fold * 2 ** halvings.
        style
            Shape (batch, `STYLE`).
        """
        made = self.see(functional.pixel_unshuffle(x, self._fold))
        for block in self.down:
            made = block(made)
        for styled in self.up:
            made = styled(made, style)
        made = self.give(functional.leaky_relu(self.norm(made), _SLOPE))
        made = curved(x, made, self._fold) if self._curves else functional.pixel_shuffle(made, self._fold)
        return x + made if self._residual else made


class MappingNetwork(nn.Module):
    """Makes style codes of latent codes, one branch a domain.

    Parameters
    ----------
    sizes
        How large.
    domains
        How many.
    """

    def __init__(self, sizes: Sizes, domains: int) -> None:
        super().__init__()
        h = sizes.hidden
        self.shared = _dense(LATENT, [h] * 4)
        self.branches = nn.ModuleList([nn.Sequential(_dense(h, [h] * 3), nn.Linear(h, STYLE)) for _ in range(domains)])

    def forward(self, latent: Tensor, domain: Tensor) -> Tensor:
        """Return style codes.

        Parameters
        ----------
        latent
            Shape (batch, `LATENT`).
        domain
            Shape (batch,): number of the domain.
        """
        return _of_domain(self.branches, self.shared(latent), domain)


class _Judge(nn.Module):
    """What style encoder and discriminator share: a slice brought down to numbers, one branch a domain."""

    def __init__(self, sizes: Sizes, domains: int, given: int) -> None:
        super().__init__()
        self.side = sizes.side
        channels = sizes.judge_channels
        last = channels[-1]
        pairs = pairwise(channels)
        shown = Bands(SEEN, sizes.bands, sizes.fold)
        self.layers = nn.Sequential(
            shown, nn.Conv2d(shown.channels, channels[0], 3, padding=1),
            *(Block(fine, deep, halve=True) for fine, deep in pairs),
            nn.LeakyReLU(_SLOPE), nn.Conv2d(last, last, _CORNER), nn.LeakyReLU(_SLOPE), nn.Flatten(),
        )  # fmt: skip
        self.branches = nn.ModuleList([nn.Linear(last, given) for _ in range(domains)])

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """Return the numbers of each slice in its domain, shape (batch, given).

        Parameters
        ----------
        x
            Shape (batch, `SEEN`, side, side).
        domain
            Shape (batch,): number of the domain.
        """
        return _of_domain(self.branches, self.layers(x), domain)


class StyleEncoder(_Judge):
    """Reads the style code of slices: shape (batch, `STYLE`)."""

    def __init__(self, sizes: Sizes, domains: int) -> None:
        super().__init__(sizes, domains, STYLE)

    def every(self, x: Tensor) -> Tensor:
        """Return what every branch reads: shape (batch, domains, `STYLE`)."""
        return _every(self.branches, self.layers(x))


class Discriminator(nn.Module):
    """Tells real slices of a domain from made ones, at one scale or at two (Wang et al. 2018, CVPR).

    Parameters
    ----------
    sizes, domains
        How large, and how many.
    coarse
        Pixels along each side that a second judge sees averaged: the coils, and not the noise. 0: there is none.
    """

    def __init__(self, sizes: Sizes, domains: int, coarse: int = 0) -> None:
        super().__init__()
        self._coarse = coarse
        seen = [sizes, *([replace(sizes, side=sizes.side // coarse, fold=1)] if coarse else [])]
        self.judges = nn.ModuleList([_Judge(each, domains, 1) for each in seen])

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """Return scores, unbounded, of shape (batch, scales); parameters as `_Judge` has them."""
        shown = [x, *([functional.avg_pool2d(x, self._coarse)] if self._coarse else [])]
        return torch.cat([judge(each, domain) for judge, each in zip(self.judges, shown, strict=True)], dim=1)


def begin(network: nn.Module) -> None:
    """Draw the weights of convolutions and dense layers as He et al. 2015 (ICCV) do; what begins as 0 stays 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.any():
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _dense(given: int, widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(given, width), nn.ReLU()]
        given = width
    return nn.Sequential(*layers)


def _of_domain(branches: nn.ModuleList, shared: Tensor, domain: Tensor) -> Tensor:
    return _every(branches, shared)[torch.arange(len(domain), device=domain.device), domain]


def _every(branches: nn.ModuleList, shared: Tensor) -> Tensor:
    return torch.stack([branch(shared) for branch in branches], dim=1)


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None  # made with one
    return layer.bias
