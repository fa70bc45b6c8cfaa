"""What a model is to its callers: from a volume to a volume, and numbers about the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from inference.added_style import AddedStyle
from inference.errors import ModelRefused
from inference.look import Look
from inference.output import Output
from inference.volume import Float32Array, Volume


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a model made of a volume.

    Attributes
    ----------
    volume
        In the unit of the bundle's output.
    numbers
        What the model reports about its work; the unit stands in each name.
    """

    volume: Volume
    numbers: Mapping[str, float] = field(default_factory=dict)


class Model(Protocol):
    """A loaded model: deterministic, and it leaves its input as it was."""

    @property
    def device(self) -> str:
        """Where it runs: ``cpu`` or ``cuda:0``."""
        ...

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Run the model.

        Parameters
        ----------
        volume
            Inside the input contract of the bundle.
        target
            One of the bundle's targets, or a look that was measured on references, where the bundle takes such;
            None where there is only one to choose.

        Raises
        ------
        ModelRefused
            When the model cannot work on this volume, or has no such target.
        """
        ...


@runtime_checkable
class UncertainModel(Model, Protocol):
    """A model that can tell how far its answers lie apart."""

    def uncertainty(self, volume: Volume) -> Result:
        """Tell how much the model's answer depends on what ought not to matter.

        Parameters
        ----------
        volume
            Inside the input contract of the bundle.

        Returns
        -------
        Standard deviation of its answers, on the grid and in the unit of its result; 0 outside the body. In `numbers`
        ``passes``, how often the network ran.

        Raises
        ------
        ModelRefused
            When the model cannot work on this volume.
        """
        ...


@runtime_checkable
class StyledModel(Model, Protocol):
    """A model that reads styles in references, and gives them to others."""

    def read_style(self, volume: Volume) -> Float32Array:
        """Read the style of a reference: numbers, always as many.

        Raises
        ------
        ModelRefused
            When the model cannot work on this volume.
        """
        ...

    def in_style(self, volume: Volume, numbers: Float32Array) -> Result:
        """Run the model; `numbers` as `read_style` gave them, or a mean of such.

        Raises
        ------
        ModelRefused
            When the model cannot work on this volume, or these are no numbers of its own.
        """
        ...


def read_style(model: Model, volume: Volume) -> Float32Array:
    """Have a model read the style of a reference; see `StyledModel`.

    Raises
    ------
    ModelRefused
        When the model refuses, or reads no styles.
    """
    if not isinstance(model, StyledModel):
        raise ModelRefused("the model reads no styles in references: name one of its targets")
    return model.read_style(volume)


def ask(model: Model, volume: Volume, *, target: str | Look | AddedStyle | None, output: Output) -> Result:
    """Run a model for what is asked of it; see `Model` and `UncertainModel`.

    Raises
    ------
    ModelRefused
        When the model refuses, or offers no such output.
    """
    if isinstance(target, AddedStyle):
        if output is not Output.RESULT or not isinstance(model, StyledModel):
            raise ModelRefused("the model takes no styles: name one of its targets")
        return model.in_style(volume, target.mean)
    if output is Output.RESULT:
        return model(volume, target=target)
    if not isinstance(model, UncertainModel) or target is not None:
        raise ModelRefused(f"the model offers no {output}: ask for its result alone")
    return model.uncertainty(volume)
