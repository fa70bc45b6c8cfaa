"""Generators of synthetic CT that see a head slice by slice: sagittal slices, with or without their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from inference.bundle import Tensors
from inference.ct.frame import BRIGHTEST

SIDE = 256
"""Rows and columns of the slices that generators learn from, 1 mm each."""

Window = tuple[float, float]
"""Lowest and highest HU that a generator gives."""


class UnetGenerator(nn.Module):
    """The encoder and decoder with short cuts of Isola et al. 2017 (CVPR), without the dropout that makes it random.

    Parameters
    ----------
    width
        Channels of the first layer; 64 in the paper.
    seen, given
        Channels in and out: slices.
    depth
        How often it halves the image; lengths are multiples of 2 ** depth.
    """

    def __init__(self, width: int, seen: int, given: int = 1, depth: int = 6) -> None:
        super().__init__()
        widths = [min(2**level, 8) * width for level in range(depth)]
        before, after = [seen, *widths[:-1]], [given, *widths[:-1]]
        pairs = zip(before, widths, strict=True)
        self.down = nn.ModuleList([_halved(a, b, first=level == 0) for level, (a, b) in enumerate(pairs)])
        self.up = nn.ModuleList([
            _doubled(wide if level == depth - 1 else 2 * wide, fine, last=level == 0)
            for level, (fine, wide) in enumerate(zip(after, widths, strict=True))
        ])  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return slices of -1 to 1 for slices of -1 to 1; shape (batch, channels, rows, columns)."""
        kept = []
        for layer in self.down:
            x = layer(x)
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = self.up[level](x if level == len(self.up) - 1 else torch.cat([x, kept[level]], dim=1))
        return torch.tanh(x)


class ResnetGenerator(nn.Module):
    """The residual generator of Zhu et al. 2017 (ICCV), which Wolterink et al. 2017 took for MR and CT.

    Parameters
    ----------
    width
        Channels of the first layer; 64 in the paper.
    seen, given
        Channels in and out: slices.
    depth
        Residual blocks; 9 in the paper.
    """

    def __init__(self, width: int, seen: int, given: int = 1, depth: int = 9) -> None:
        super().__init__()
        layers: list[nn.Module] = [_wide(seen, width), nn.InstanceNorm2d(width), nn.ReLU()]
        for step in (1, 2):
            layers += [nn.Conv2d(step * width, 2 * step * width, 3, stride=2, padding=1)]
            layers += [nn.InstanceNorm2d(2 * step * width), nn.ReLU()]
        layers += [_Residual(4 * width) for _ in range(depth)]
        for step in (2, 1):
            layers += [nn.ConvTranspose2d(2 * step * width, step * width, 3, stride=2, padding=1, output_padding=1)]
            layers += [nn.InstanceNorm2d(step * width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, _wide(width, given))

    def forward(self, x: Tensor) -> Tensor:
        """Return slices of -1 to 1 for slices of -1 to 1; shape (batch, channels, rows, columns)."""
        return torch.tanh(self.layers(x))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


GENERATORS: Mapping[str, Callable[[int, int, int, int], nn.Module]] = {"unet": UnetGenerator, "resnet": ResnetGenerator}
"""Kind -> (width, seen, given, depth) -> generator."""


def mr_unit(voxels: Tensor) -> Tensor:
    """Return MR of the frame, 0 to `BRIGHTEST`, as generators see it: -1 to 1."""
    return voxels * (2 / BRIGHTEST) - 1


def ct_unit(hounsfield: Tensor, window: Window) -> Tensor:
    """Return HU as generators give them: -1 to 1 over the window, clipped to it."""
    low, high = window
    return (hounsfield.clamp(low, high) - low) * (2 / (high - low)) - 1


def hounsfield_of(unit: Tensor, window: Window) -> Tensor:
    """Undo `ct_unit`."""
    low, high = window
    return (unit + 1) * ((high - low) / 2) + low


def described(kind: str, sizes: tuple[int, int, int], window: Window) -> dict[str, Tensor]:
    """Return what weights must tell beside the parameters: ``<kind>.sizes`` (width, seen, depth) and ``window``, HU."""
    return {f"{kind}.sizes": torch.tensor(sizes), "window": torch.tensor(window)}


def read_generator(tensors: Tensors) -> tuple[nn.Module, int, Window]:
    """Make the generator that weights are of.

    Parameters
    ----------
    tensors
        `described`, and ``generator.<parameter>``.

    Returns
    -------
    Generator, how many slices it sees, and its window.

    Raises
    ------
    ValueError
        When the weights are not those of a generator.
    """
    kind = next((each for each in GENERATORS if f"{each}.sizes" in tensors), None)
    if kind is None or tensors.get("window", np.empty(0)).shape != (2,):
        raise ValueError("the weights tell no generator")
    width, seen, depth = (int(size) for size in tensors[f"{kind}.sizes"])
    low, high = (float(edge) for edge in tensors["window"])
    generator = GENERATORS[kind](width, seen, 1, depth)
    prefix = "generator."
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    held = {name: torch.from_numpy(tensor.astype(np.float32)) for name, tensor in own.items()}
    try:
        generator.load_state_dict(held)
    except RuntimeError as error:
        raise ValueError("the weights are not those of this generator") from error
    return generator, seen, (low, high)


def _wide(seen: int, given: int) -> nn.Module:
    return nn.Conv2d(seen, given, 7, padding=3, padding_mode="reflect")


def _halved(seen: int, given: int, *, first: bool) -> nn.Module:
    layers: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
    layers += [nn.Conv2d(seen, given, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, *([] if first else [nn.InstanceNorm2d(given, affine=True)]))


def _doubled(seen: int, given: int, *, last: bool) -> nn.Module:
    layers = [nn.ReLU(), nn.ConvTranspose2d(seen, given, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, *([] if last else [nn.InstanceNorm2d(given, affine=True)]))
