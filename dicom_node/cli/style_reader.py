"""A model's own encoder, asked in its process what style references have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from dicom_node.domain.ports import InferenceRequest, StyleReader
from inference.added_style import AddedStyle, added_style
from inference.bundle import Bundle
from inference.contract import Acquisition
from inference.volume import Volume

if TYPE_CHECKING:
    from dicom_node.cli.references import Measured


@dataclass(frozen=True, slots=True)
class Encoder:
    """The encoder of a bundle.

    Attributes
    ----------
    bundle
        One that reads styles; see `refuse_without_encoder`.
    executor
        Runs it.
    """

    bundle: Bundle
    executor: StyleReader

    def refusal(self, acquisition: Acquisition) -> str | None:
        """Say why the model does not take a reference, from its headers; None when nothing speaks against it."""
        return "; ".join(self.bundle.manifest.input.acquisition_violations(acquisition)) or None

    def read(self, volume: Volume) -> Sequence[float]:
        """Read the style of one reference; errors as `dicom_node.domain.ports.StyleReader` has them."""
        return self.executor.read_style(InferenceRequest(self.bundle.manifest.name, self.bundle.digest, None, volume))

    def style(self, measured: Measured) -> AddedStyle:
        """Return the style of all references that were taken."""
        return added_style(
            self.bundle.manifest.name, self.bundle.digest, contrast=measured.look.contrast, read=measured.read
        )


def refuse_without_encoder(bundle: Bundle) -> None:
    """Raise where a model reads no styles.

    Raises
    ------
    typer.BadParameter
        That says what to do instead.
    """
    name = bundle.manifest.name
    if bundle.manifest.added_styles is None:
        looks = "" if bundle.manifest.added_targets is None else ", and a look that it takes is measured"
        raise typer.BadParameter(f"--model {name}: it reads no styles in references: leave --model out{looks}")
