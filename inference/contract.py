"""What a model may be given: how the image was made, and what the volume is like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from inference.volume import Volume

Contrast: TypeAlias = Literal["T1", "T2", "PD", "FLAIR", "DIFFUSION", "PERFUSION", "SWI", "ANGIO", "FUNCTIONAL"]
Millimetres: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_UNTOLD = "the contrast could not be told from the description and the sequence"


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What a caller knows about how an image was made.

    Attributes
    ----------
    modality
        ``MR``, ``CT``.
    contrast
        One of `Contrast`; None when it could not be told.
    contrast_agent
        True when a contrast agent is known to have been given.
    body_part
        As in Body Part Examined (0018,0015); None when it is not stated.
    is_original
        False when the image is known to be made from others, for instance a reformat.
    """

    modality: str
    contrast: str | None = None
    contrast_agent: bool = False
    body_part: str | None = None
    is_original: bool = True


class InputContract(BaseModel):
    """What a model takes; outside it, its output means nothing.

    Attributes
    ----------
    modality
        ``MR``, ``CT``.
    contrasts
        The contrasts it takes, or ``any``; with ``any`` the contrast need not be known.
    contrast_agent, derived
        Whether images with a contrast agent, and images made from other images, are taken.
    unit
        UCUM code of the voxels.
    spacing_mm
        Smallest and largest distance between voxels, on every axis.
    pixel_mm
        Largest pixel, of a slice in whichever plane: the second smallest of the three distances. None: as `spacing_mm`
        has it.
    min_slices
        Fewest planes.
    min_field_of_view_mm
        Smallest extent on every axis.
    body_parts
        Values of Body Part Examined that are taken, in capitals; one that is not stated is taken; empty takes all.
    skull
        Whether the skull must be there. Told to people; not measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    modality: Literal["MR", "CT"]
    contrasts: Annotated[tuple[Contrast, ...], Field(min_length=1)] | Literal["any"]
    contrast_agent: bool
    derived: bool
    unit: str
    spacing_mm: tuple[Millimetres, Millimetres]
    pixel_mm: Millimetres | None = None
    min_slices: Annotated[int, Field(ge=1)]
    min_field_of_view_mm: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    body_parts: tuple[str, ...] = ()
    skull: Literal["kept", "stripped", "either"]

    @model_validator(mode="after")
    def _spacing_is_a_range(self) -> InputContract:
        if self.spacing_mm[0] > self.spacing_mm[1]:
            raise ValueError("spacing_mm: the smallest comes first")
        return self

    def acquisition_violations(
        self, acquisition: Acquisition, *, aimed_at: Contrast | None = None, taker: str = "the model"
    ) -> tuple[str, ...]:
        """Say why the model may not be given an image that was made like this, before any pixel is read.

        Parameters
        ----------
        aimed_at
            Contrast of the target: an image of another one, or of one that could not be told, never gets its look.
        taker
            Who takes images, in the sentences.

        Returns
        -------
        One plain sentence a reason; empty when all is well.
        """
        if acquisition.modality != self.modality:
            return (f"{taker} takes {self.modality}, this is {acquisition.modality}",)
        body_part = acquisition.body_part.strip().upper() if acquisition.body_part else None
        reasons = (
            self._contrast_violation(acquisition.contrast, taker) or _other_contrast(acquisition.contrast, aimed_at),
            f"a contrast agent was given; {taker} takes images without one"
            if acquisition.contrast_agent and not self.contrast_agent
            else None,
            f"the image was made from other images; {taker} takes original ones"
            if not acquisition.is_original and not self.derived
            else None,
            f"the body part is {body_part}; {taker} takes {', '.join(self.body_parts)}"
            if body_part and self.body_parts and body_part not in self.body_parts
            else None,
        )
        return tuple(reason for reason in reasons if reason)

    def _contrast_violation(self, contrast: str | None, taker: str) -> str | None:
        if self.contrasts == "any" or contrast in self.contrasts:
            return None
        taken = " or ".join(self.contrasts)
        if contrast is None:
            return f"{_UNTOLD}; {taker} takes {taken}"
        return f"the contrast is {contrast}; {taker} takes {taken}"

    def volume_violations(self, volume: Volume, *, taker: str = "the model") -> tuple[str, ...]:
        """Say why the model may not be given this volume.

        Parameters
        ----------
        taker
            Who takes images, in the sentences.

        Returns
        -------
        One plain sentence a reason; empty when all is well.
        """
        if not np.isfinite(volume.voxels).all():
            return ("some voxels are not numbers",)
        smallest, largest = self.spacing_mm
        spacing, extent = sorted(volume.spacing_mm), min(volume.extent_mm)
        slices, widest = volume.voxels.shape[0], self.pixel_mm or largest
        reasons = (
            (volume.unit != self.unit, f"the unit is {volume.unit}; {taker} takes {self.unit}"),
            (
                _below(spacing[0], smallest) or _below(largest, spacing[2]),
                f"voxels lie {spacing[0]:.2f} to {spacing[2]:.2f} mm apart; "
                f"{taker} takes {smallest:g} to {largest:g} mm",
            ),
            (
                _below(widest, spacing[1]) and not _below(largest, spacing[2]),
                f"pixels are {spacing[1]:.2f} mm wide; {taker} takes {widest:g} mm or less, whatever the slices are",
            ),
            (slices < self.min_slices, f"there are {slices} slices; {taker} takes {self.min_slices} or more"),
            (
                _below(extent, self.min_field_of_view_mm),
                f"the field of view is {extent:.0f} mm on one axis; "
                f"{taker} takes {self.min_field_of_view_mm:g} mm or more on each",
            ),
            (volume.voxels.size == 0 or np.ptp(volume.voxels) == 0, "the image is blank"),
        )
        return tuple(reason for violated, reason in reasons if violated)


def _other_contrast(contrast: str | None, aimed_at: Contrast | None) -> str | None:
    if aimed_at is None or contrast == aimed_at:
        return None
    what = _UNTOLD if contrast is None else f"the contrast is {contrast}"
    return f"{what}; that of the target is {aimed_at}"


def _below(value: float, limit: float) -> bool:
    """Compare with the tolerance of decimal strings: a spacing of 0.39999999 mm is 0.4 mm."""
    return value < limit * (1 - 1e-4)
