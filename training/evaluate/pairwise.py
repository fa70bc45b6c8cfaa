"""The seed's protocol classification: a residual network a pair of sites; and what the seed reports of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.look import TOP
from inference.volume import Float32Array
from training.evaluate.classifier import Classifier, Slices, classifiers, pair_accuracies

Accuracies = dict[tuple[int, int], float]
"""Pair of sites -> part of their slices that go to the right one of the two."""

SEEDS: Mapping[str, tuple[float, float]] = {
    "ge-15t / siemens-3t": (96.5299, 66.6666),
    "philips-3t / ge-15t": (91.2000, 64.3533),
    "ge-15t / ge-15t-b": (94.6969, 69.0851),
    "ge-15t-b / siemens-3t": (83.4595, 61.5141),
    "philips-3t / ge-15t-b": (88.1944, 55.8159),
    "philips-3t / siemens-3t": (87.8472, 57.8914),
}
"""Pair of sites -> accuracy before and after in percent, as the seed states it: ResNet-50, real images of thousands of
people at the sites that ours are modelled on. Whether its classifiers were trained again is not said."""

_BRIGHTEST = 2.5
_WIDTHS = (16, 32, 64, 128)
_AT_ONCE = 32


class Judge(Protocol):
    """Tells pairs of sites apart."""

    def fit(self, slices: Slices) -> None:
        """Learn from slices of the people to train with."""
        ...

    def accuracies(self, slices: Slices) -> Accuracies:
        """Return how often it is right."""
        ...


@dataclass(frozen=True, slots=True)
class OfAllSites:
    """One classifier of all sites, asked about two of them."""

    classifier: Classifier

    def fit(self, slices: Slices) -> None:
        """See `Judge`."""
        self.classifier.fit(slices)

    def accuracies(self, slices: Slices) -> Accuracies:
        """See `Judge`."""
        return pair_accuracies(self.classifier.scores(slices.images), slices.sites)


class ResNet(nn.Module):
    """A residual network of ten layers (He et al. 2016, CVPR), for single slices and two sites.

    The seed takes one of fifty, for some hundred times as many images.
    """

    def __init__(self) -> None:
        super().__init__()
        first = _WIDTHS[0]
        stem = [nn.Conv2d(1, first, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(first), nn.ReLU()]
        blocks = [_Residual(narrow, wide) for narrow, wide in pairwise((first, *_WIDTHS))]
        self.layers = nn.Sequential(
            *stem, nn.MaxPool2d(3, 2, 1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_WIDTHS[-1], 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return scores of the two sites, shape (batch, 2), for slices of shape (batch, 1, rows, columns)."""
        scores: Tensor = self.layers(x)
        return scores


class PairwiseResNet:
    """A `ResNet` for each pair of sites; the same slices give the same networks.

    Parameters
    ----------
    epochs
        Passes over the slices.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._networks: dict[tuple[int, int], ResNet] = {}

    def fit(self, slices: Slices) -> None:
        """Minimise cross entropy for each pair, slices mirrored at random."""
        for pair in combinations(sorted(set(slices.sites.tolist())), 2):
            images, second = _of_pair(slices, pair)
            self._networks[pair] = _trained(images, second, self._epochs)

    def accuracies(self, slices: Slices) -> Accuracies:
        """See `Judge`."""
        found = {}
        for pair, network in self._networks.items():
            images, second = _of_pair(slices, pair)
            found[pair] = float((_told(network, images) == second.numpy()).mean())
        return found


def judges(sites: int, epochs: int) -> Mapping[str, Callable[[], Judge]]:
    """Return name -> how a judge is made.

    Parameters
    ----------
    sites
        How many there are to tell apart.
    epochs
        Of the networks.
    """
    of_all = {name: _asked(make) for name, make in classifiers(sites, epochs).items()}
    return {**of_all, "resnet": lambda: PairwiseResNet(epochs)}


def _asked(make: Callable[[], Classifier]) -> Callable[[], Judge]:
    return lambda: OfAllSites(make())


class _Residual(nn.Module):
    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        stride = 1 if narrow == wide else 2
        self.layers = nn.Sequential(
            nn.Conv2d(narrow, wide, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(),
            nn.Conv2d(wide, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide),
        )  # fmt: skip
        self.short = nn.Identity() if narrow == wide else nn.Conv2d(narrow, wide, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.layers(x) + self.short(x))


def _of_pair(slices: Slices, pair: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the slices of two sites, and whether each is of the second."""
    chosen = np.isin(slices.sites, pair)
    images: Float32Array = np.clip(slices.images[chosen] / np.float32(TOP), 0, _BRIGHTEST).astype(np.float32)
    second: NDArray[np.int64] = (slices.sites[chosen] == pair[1]).astype(np.int64)
    return torch.from_numpy(images)[:, None], torch.from_numpy(second)


def _trained(images: Tensor, second: Tensor, epochs: int) -> ResNet:
    torch.manual_seed(0)
    network = ResNet().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    steps = epochs * -(-len(images) // _AT_ONCE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(_AT_ONCE):
            mirrored = torch.rand(1, generator=generator).item() < 0.5
            shown = images[batch].flip(3) if mirrored else images[batch]
            with torch.autocast("cpu", torch.bfloat16):
                scores = network(shown)
            loss = nn.functional.cross_entropy(scores.float(), second[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    _settle(network, images)
    return network


@torch.no_grad()
def _settle(network: ResNet, images: Tensor) -> None:
    """Measure the statistics of the normalisation anew: the running ones of a short training are of earlier weights."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a mean over all that follows
    for part in images.split(_AT_ONCE):
        network(part)


@torch.no_grad()
def _told(network: ResNet, images: Tensor) -> NDArray[np.int64]:
    network.eval()
    return np.concatenate([network(part).argmax(dim=1).numpy() for part in images.split(64)])
