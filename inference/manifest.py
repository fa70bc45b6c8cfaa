"""The manifest of a bundle, ``model.yaml``: what the model is, takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inference.contract import Contrast, InputContract, Millimetres
from inference.ct.hounsfield import HOUNSFIELD, RANGE_HU
from inference.errors import ModelRefused
from inference.mrflow.settings import FlowSettings
from inference.output import Output

Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
FileName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors$", max_length=128)]
Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Cosine: TypeAlias = Annotated[float, Field(ge=-1, le=1)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]

STORED_MAX = 4095
"""Largest stored integer of a derived MR series (12 bits)."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PinnedFile(_Part):
    """A safetensors file of the bundle, and the SHA-256 that it must have."""

    file: FileName
    sha256: Sha256


class ReferencePair(PinnedFile):
    """A volume and what the model must make of it: tensors ``input``, ``output`` and ``affine``.

    Attributes
    ----------
    target
        The target of the output.
    tolerance
        Largest difference that is accepted, in parts of the output's range.
    """

    target: Name | None = None
    tolerance: Fraction = 1e-4


class OutputSpec(_Part):
    """What the model gives.

    Attributes
    ----------
    kind
        ``mr``: a harmonized MR volume on the grid of its source; ``ct``: a synthetic CT there, in HU.
    unit
        UCUM code.
    range
        Lowest and highest value that can come out.
    uncertainty
        Largest standard deviation, in `unit`, with which a map of uncertainty is sent; None: it offers no such map.
    """

    kind: Literal["mr", "ct"]
    unit: str
    range: tuple[float, float]
    uncertainty: Positive | None = None

    @model_validator(mode="after")
    def _range_is_a_range(self) -> OutputSpec:
        if not self.range[0] < self.range[1]:
            raise ValueError("range: the lowest comes first")
        return self

    @model_validator(mode="after")
    def _ct_is_in_hounsfield_units(self) -> OutputSpec:
        (low, high), (lowest, highest) = self.range, RANGE_HU
        if self.kind == "ct" and (self.unit != HOUNSFIELD or low < lowest or high > highest):
            raise ValueError(f"a CT has the unit {HOUNSFIELD} and a range within {lowest:g} to {highest:g}")
        return self

    @model_validator(mode="after")
    def _uncertainty_is_that_of_a_ct(self) -> OutputSpec:
        if self.uncertainty is not None and (self.kind != "ct" or self.uncertainty > self.range[1] - self.range[0]):
            raise ValueError("uncertainty: only a CT has one, no larger than its range is wide")
        return self

    def of(self, asked: Output) -> OutputSpec:
        """Return unit and range of what is asked for.

        Raises
        ------
        ModelRefused
            When the model does not offer it.
        """
        if asked is Output.RESULT:
            return self
        if self.uncertainty is None:
            raise ModelRefused("the model offers no uncertainty: ask for its result alone")
        return self.model_copy(update={"range": (0.0, self.uncertainty)})


class Target(_Part):
    """A look that the model can give, and how its values are stored: the same for every patient.

    Attributes
    ----------
    contrast
        Of the look; images of another contrast are refused. None where the contract alone decides.
    values_per_unit
        stored = round(value * values_per_unit), clipped to 0...4095.
    window_center, window_width
        Default window, in stored values.
    """

    contrast: Contrast | None = None
    values_per_unit: Positive
    window_center: float
    window_width: Positive


class CtLimits(_Part):
    """Limits of the output gate for a synthetic CT.

    Attributes
    ----------
    min_body_dice
        Dice coefficient of the body in the result and the head in the source, both with their cavities; below: the
        result is not sent.
    warn_body_dice
        Below: the result is sent with a warning.
    bone_share, air_share
        Smallest and largest part of the head that may be bone, and air.
    brain_hu
        Lowest and highest median of what lies deep in the upper head, HU.
    """

    min_body_dice: Fraction = 0.95
    warn_body_dice: Fraction = 0.97
    bone_share: tuple[Fraction, Fraction]
    air_share: tuple[Fraction, Fraction]
    brain_hu: tuple[float, float]

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> CtLimits:
        for name in ("bone_share", "air_share", "brain_hu"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name}: the lowest comes first")
        return self


class QaLimits(_Part):
    """Limits of the output gate; those of gradients, background, clipping and median are for MR alone.

    Attributes
    ----------
    min_gradient_cosine
        Mean cosine between the gradients of source and result inside the head; below: the result is not sent.
    warn_gradient_cosine
        Below: the result is sent with a warning.
    min_slice_cosine, min_place_cosine
        The same cosine in the slice, and in the cube of 8 mm, that agree least; below: not sent.
    max_background_rise
        How much brighter, in parts of the head's median, the air may become.
    max_clipped
        Part of the head that may lie at the upper end of the output's range.
    head_median
        Lowest and highest median of the head in the result, in the unit of the output; None takes any. Scale and window
        of a target are the same for every patient, so a result far off them shows as black or white.
    head_mm
        Smallest and largest horizontal extent, across the uppermost 130 mm of what is imaged, that a head has; None
        takes any body. It is measured in the source: headers often do not name the body part.
    """

    min_gradient_cosine: Fraction = 0.8
    warn_gradient_cosine: Fraction = 0.9
    min_slice_cosine: Cosine = 0.6
    min_place_cosine: Cosine = 0.0
    max_background_rise: Fraction = 0.1
    max_clipped: Fraction = 0.01
    head_median: tuple[float, float] | None = None
    head_mm: tuple[Millimetres, Millimetres] | None = None
    ct: CtLimits | None = None


class Manifest(_Part):
    """All of ``model.yaml``.

    Attributes
    ----------
    name, version, family, task
        How people and rules call it; the module of `inference.models` that runs it; what it is for.
    licence, intended_use
        Told to people.
    runtime
        ``numpy`` runs on the CPU; ``torch`` on the device that the node is set to.
    input, output, targets, qa
        What it takes, gives, aims at, and the limits of its output gate.
    added_targets
        How a look that was measured on a site's own references is stored; None: it takes none.
    added_styles
        The same for a style that the model itself reads in references; None: it reads none.
    flow
        How a model of family ``mrflow`` iterates; None for all others.
    weights, reference
        Its files.
    """

    format: Literal[1]
    name: Name
    version: str
    family: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    task: Annotated[str, Field(pattern=r"^[a-z][a-z -]*$", max_length=32)]
    licence: str
    intended_use: str
    runtime: Literal["numpy", "torch"]
    input: InputContract
    output: OutputSpec
    targets: dict[Name, Target] = Field(default_factory=dict)
    added_targets: Target | None = None
    added_styles: Target | None = None
    qa: QaLimits = QaLimits()
    flow: FlowSettings | None = None
    weights: PinnedFile
    reference: ReferencePair

    @model_validator(mode="after")
    def _every_value_can_be_stored(self) -> Manifest:
        for name, target in self.targets.items():
            if self.output.range[0] < 0 or self.output.range[1] * target.values_per_unit > STORED_MAX + 0.5:
                raise ValueError(f"targets.{name}: the output's range does not fit into 0...{STORED_MAX}")
        if self.reference.target is not None and self.reference.target not in self.targets:
            raise ValueError(f"reference.target: there is no target '{self.reference.target}'")
        return self

    @model_validator(mode="after")
    def _ct_has_its_limits_and_no_target(self) -> Manifest:
        is_ct = self.output.kind == "ct"
        if is_ct != (self.qa.ct is not None):
            raise ValueError("qa.ct: needed where output.kind is ct, and only there")
        if is_ct and (self.targets or self.added_targets or self.added_styles):
            raise ValueError("targets: a CT has none, its scale is that of Hounsfield units")
        return self

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What may be asked of the model."""
        return (Output.RESULT,) if self.output.uncertainty is None else (Output.RESULT, Output.UNCERTAINTY)

    def choose_target(self, name: str | None) -> str | None:
        """Return the target that is meant: None means the only one, and no target when there is none.

        Raises
        ------
        ModelRefused
            When the bundle has no such target, or several and none is named.
        """
        if name in self.targets:
            return name
        if name is None and len(self.targets) <= 1:
            return next(iter(self.targets), None)
        offered = ", ".join(self.targets) or "none"
        raise ModelRefused(
            f"model {self.name} has no target '{name}': it offers {offered}"
            if name
            else f"model {self.name} needs a target: it offers {offered}"
        )
