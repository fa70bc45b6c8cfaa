"""Protocol classifiers: readers of single slices that tell which scanner made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from inference.look import TOP
from inference.volume import Float32Array

_BRIGHTEST = 2.5
_LEVELS = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Slices and the sites that made them.

    Attributes
    ----------
    images
        Shape (slices, rows, columns), anchors at `TOP`.
    sites
        Shape (slices,): number of the site.
    """

    images: Float32Array
    sites: NDArray[np.int64]


class Classifier(Protocol):
    """Tells sites apart."""

    def fit(self, slices: Slices) -> None:
        """Learn from slices of the people to train with."""
        ...

    def scores(self, images: Float32Array) -> NDArray[np.floating]:
        """Return how much each slice looks like each site; shape (slices, sites)."""
        ...


class SmallNetwork:
    """Three strided convolutions and a mean over the slice; the same seed gives the same network.

    Parameters
    ----------
    sites
        How many.
    epochs
        Passes over the slices.
    """

    def __init__(self, sites: int, epochs: int) -> None:
        torch.manual_seed(0)
        widths = (1, 16, 32, 64)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.BatchNorm2d(wide), nn.ReLU()]
        self._network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], sites))
        self._epochs = epochs

    def fit(self, slices: Slices) -> None:
        """Minimise cross entropy, slices mirrored at random."""
        images, wanted = _tensor(slices.images), torch.from_numpy(slices.sites)
        optimizer = torch.optim.AdamW(self._network.parameters(), lr=2e-3)
        generator = torch.Generator().manual_seed(0)
        self._network.train()
        for _ in range(self._epochs):
            for batch in torch.randperm(len(images), generator=generator).split(32):
                flipped = torch.rand(1, generator=generator).item() < 0.5
                shown = images[batch].flip(3) if flipped else images[batch]
                loss = nn.functional.cross_entropy(self._network(shown), wanted[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    @torch.no_grad()
    def scores(self, images: Float32Array) -> NDArray[np.floating]:
        """Return logits."""
        self._network.eval()
        return np.concatenate([self._network(part).numpy() for part in _tensor(images).split(64)])


class Statistics:
    """Logistic regression on percentiles of intensities, edges, noise and left-right and front-back balance."""

    def __init__(self) -> None:
        self._pipeline: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))

    def fit(self, slices: Slices) -> None:
        """Fit to the features."""
        self._pipeline.fit(features(slices.images), slices.sites)

    def scores(self, images: Float32Array) -> NDArray[np.floating]:
        """Return probabilities."""
        return np.asarray(self._pipeline.predict_proba(features(images)))


def classifiers(sites: int, epochs: int) -> Mapping[str, Callable[[], Classifier]]:
    """Return name -> how a classifier is made.

    Parameters
    ----------
    sites
        How many there are to tell apart.
    epochs
        Of the network.
    """
    return {"network": lambda: SmallNetwork(sites, epochs), "statistics": Statistics}


def features(images: Float32Array) -> NDArray[np.floating]:
    """Return what `Statistics` knows of each slice; shape (slices, features)."""
    return np.array([_features(image / np.float32(TOP)) for image in images])


def pair_accuracies(scores: NDArray[np.floating], sites: NDArray[np.int64]) -> dict[tuple[int, int], float]:
    """Return pair of sites -> part of their slices that go to the right one of the two; 0.5 is chance.

    Parameters
    ----------
    scores
        Shape (slices, sites).
    sites
        Shape (slices,): the true ones; as many of each site as of any other.
    """
    accuracies = {}
    for first, second in combinations(range(scores.shape[1]), 2):
        of_pair = (sites == first) | (sites == second)
        told = np.where(scores[of_pair, second] > scores[of_pair, first], second, first)
        accuracies[first, second] = float((told == sites[of_pair]).mean())
    return accuracies


def _features(image: Float32Array) -> list[float]:
    head = ndimage.binary_fill_holes(ndimage.gaussian_filter(image, 1.5) > 0.15)
    if head.sum() < 50 or head.all():
        head = np.ones(image.shape, bool)
    edges = ndimage.gaussian_gradient_magnitude(image, 0.7)
    fine = image - ndimage.gaussian_filter(image, 1)
    deep = ndimage.binary_erosion(head, iterations=max(1, image.shape[0] // 12))
    inner = deep if deep.any() else head
    air = ~ndimage.binary_dilation(head, iterations=2)
    rows, columns = np.nonzero(inner)
    value = image[inner]
    front, left = rows < np.median(rows), columns < np.median(columns)
    halves = [float(value[half].mean()) if half.any() else 0.0 for half in (front, ~front, left, ~left)]
    rim = head & ~deep
    return [
        *np.percentile(value, _LEVELS), *np.percentile(image[head], _LEVELS), *np.percentile(edges[inner], _LEVELS),
        *np.percentile(np.abs(fine[inner]), _LEVELS), *halves,
        float(image[rim].mean()) if rim.any() else 0.0,
        float(image[air].mean()) if air.any() else 0.0, float(image[air].std()) if air.any() else 0.0,
    ]  # fmt: skip


def _tensor(images: Float32Array) -> torch.Tensor:
    return torch.from_numpy(np.clip(images / np.float32(TOP), 0, _BRIGHTEST).astype(np.float32))[:, None]
