"""The flow: from a slice to its latent and back, given the edges of a slice.

Levels as in Kingma and Dhariwal 2018: at each the image is squeezed, goes through some steps, and half of its channels
leave. A step is `ActNorm`, `Mixing`, `Injector` (with a condition) and a coupling, as in SRFlow (Lugmayr et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from inference.bundle import Tensors
from inference.mrflow.coupling import COUPLINGS, Injector, Split, beside
from inference.mrflow.edges import EdgeNetwork
from inference.mrflow.layers import ActNorm, Mixing, squeezed, unsqueezed

KINDS = tuple(COUPLINGS)


@dataclass(frozen=True, slots=True)
class FlowShape:
    """How a flow is built.

    Attributes
    ----------
    coupling
        One of `KINDS`.
    levels, steps
        How often the image is squeezed; steps at each level.
    width
        Channels inside each coupling.
    context
        Channels of the condition at each level; 0: the flow has none.
    edge_widths
        Channels of the U-Net that reads edges, at 1/2, 1/4, ... of the resolution.
    """

    coupling: str
    levels: int
    steps: int
    width: int
    context: int
    edge_widths: tuple[int, ...]

    @property
    def multiple(self) -> int:
        """Rows and columns of a slice are multiples of this."""
        return int(2 ** max(self.levels, len(self.edge_widths) if self.context else 0))


class Step(nn.Module):
    """One step of a level."""

    def __init__(self, channels: int, shape: FlowShape) -> None:
        super().__init__()
        self.norm, self.mixing = ActNorm(channels), Mixing(channels)
        self.injector = Injector(channels, shape.context) if shape.context else None
        self.coupling = COUPLINGS[shape.coupling](channels, shape.context, shape.width)

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the image and the log determinant, shape (batch,)."""
        x, total = self.norm(x)
        x, log_det = self.mixing(x)
        total = total + log_det
        if self.injector is not None:
            x, log_det = self.injector(x, context)
            total = total + log_det
        x, log_det = self.coupling(x, context)
        return x, total + log_det

    def inverse(self, y: Tensor, context: Tensor | None) -> Tensor:
        """Undo `forward`."""
        y = self.coupling.inverse(y, context)
        if self.injector is not None and context is not None:
            y = self.injector.inverse(y, context)
        return self.norm.inverse(self.mixing.inverse(y))


class Level(nn.Module):
    """One level: squeeze, some steps, and the half that leaves, all of it at the last level.

    Parameters
    ----------
    channels
        Before it squeezes.
    shape
        Of the flow.
    last
        Whether nothing goes on.
    """

    def __init__(self, channels: int, shape: FlowShape, *, last: bool) -> None:
        super().__init__()
        channels *= 4
        self.kept = 0 if last else channels // 2
        self.steps = nn.ModuleList([Step(channels, shape) for _ in range(shape.steps)])
        self.split = Split(self.kept, channels - self.kept, shape.context, shape.width)

    def forward(self, x: Tensor, told: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the latent of this level, what goes on, and the log determinant, shape (batch,)."""
        x, total = squeezed(x), x.new_zeros(len(x))
        for step in self.steps:
            x, log_det = step(x, told)
            total = total + log_det
        x, leaving = x[:, : self.kept], x[:, self.kept :]
        z, log_det = self.split(leaving, _seen(x, told, leaving))
        return z, x, total + log_det

    def inverse(self, z: Tensor, x: Tensor | None, told: Tensor | None) -> Tensor:
        """Undo `forward`; x is None at the last level."""
        x = z[:, :0] if x is None else x
        x = torch.cat([x, self.split.inverse(z, _seen(x, told, z))], dim=1)
        for step in reversed(list(self.steps.children())):
            x = cast(Step, step).inverse(x, told)
        return unsqueezed(x)


class Flow(nn.Module):
    """An invertible map between slices and latents.

    Parameters
    ----------
    shape
        How it is built.
    """

    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        self.shape = shape
        self.edges = EdgeNetwork(shape.edge_widths, shape.context, shape.levels) if shape.context else None
        made, channels = [], 1
        for level in range(shape.levels):
            made.append(Level(channels, shape, last=level == shape.levels - 1))
            channels = made[-1].kept
        self.levels = nn.ModuleList(made)

    def context(self, slices: Tensor) -> list[Tensor | None]:
        """Return the condition at each level, finest first, from slices as in `inference.mrflow.edges.edges`."""
        return [None] * self.shape.levels if self.edges is None else list(self.edges(slices))

    def forward(self, x: Tensor, context: Sequence[Tensor | None]) -> tuple[list[Tensor], Tensor]:
        """Return the latent at each level, finest first, and the log determinant, shape (batch,).

        Parameters
        ----------
        x
            Shape (batch, 1, rows, columns), the anchor of the head at 1.
        context
            As `context` gives it.
        """
        latents: list[Tensor] = []
        total = x.new_zeros(len(x))
        for level, told in zip(self.levels, context, strict=True):
            z, x, log_det = level(x, told)
            total = total + log_det
            latents.append(z)
        return latents, total

    def inverse(self, latents: Sequence[Tensor], context: Sequence[Tensor | None]) -> Tensor:
        """Undo `forward`."""
        x: Tensor | None = None
        for level, z, told in reversed(list(zip(self.levels, latents, context, strict=True))):
            x = cast(Level, level).inverse(z, x, told)
        if x is None:
            raise ValueError("a flow needs a level")
        return x

    def fit(self, x: Tensor, context: Sequence[Tensor | None]) -> None:
        """Set every `ActNorm` from a first batch, one after another."""

        def fitted(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
            cast(ActNorm, norm).fit(given[0])

        hooks = [module.register_forward_pre_hook(fitted) for module in self.modules() if isinstance(module, ActNorm)]
        with torch.no_grad():
            self(x, context)
        for hook in hooks:
            hook.remove()


def _seen(kept: Tensor, told: Tensor | None, leaving: Tensor) -> Tensor:
    """Return what the mean of the half that leaves is told from; where there is nothing, zeros."""
    seen = beside(kept, told)
    return seen if seen.shape[1] else torch.zeros_like(leaving[:, :1])


def described(shape: FlowShape) -> dict[str, Tensor]:
    """Return what weights must tell beside the parameters: ``shape``, integers."""
    told = (KINDS.index(shape.coupling), *astuple(shape)[1:-1], *shape.edge_widths)
    return {"shape": torch.tensor(told)}


def read_flow(tensors: Tensors, prefix: str) -> Flow:
    """Make the flow that weights are of.

    Parameters
    ----------
    tensors
        `described` and ``flow.<parameter>``, all with the prefix before them.
    prefix
        Of this flow's tensors.

    Raises
    ------
    ValueError
        When the weights are not those of a flow.
    """
    own = {name.removeprefix(prefix): held for name, held in tensors.items() if name.startswith(prefix)}
    told = [int(number) for number in own.get("shape", ())]
    if len(told) < len(fields(FlowShape)) - 1 or not 0 <= told[0] < len(KINDS):
        raise ValueError(f"the weights tell no flow under {prefix!r}")
    levels, steps, width, context = told[1:5]
    flow = Flow(FlowShape(KINDS[told[0]], levels, steps, width, context, tuple(told[5:])))
    held = {name: torch.from_numpy(each.astype(np.float32)) for name, each in own.items() if name.startswith("flow.")}
    try:
        flow.load_state_dict({name.removeprefix("flow."): each for name, each in held.items()})
    except RuntimeError as error:
        raise ValueError("the weights are not those of this flow") from error
    return flow
