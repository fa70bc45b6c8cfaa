"""How Eq. 3 is iterated: the ``flow`` of a manifest."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

Plane: TypeAlias = Literal["axial", "coronal", "sagittal"]

PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
"""By the axis of the frame across which their slices lie, as in `inference.planes.AXES`."""

_NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Part: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class FlowSettings(BaseModel):
    """Settings of the iteration; with all `alpha` and both betas 0 a volume stays as it is.

    Attributes
    ----------
    alpha
        Part by which the latent shrinks in each iteration; one for all levels of the flow or one a level, finest
        first. Fine levels hold noise and texture, coarse ones the intensities of regions.
    beta_edges
        Beta 1 of the seed: step against the rise of intensity where the source has no edge, parts of the anchor.
    beta_likeness
        Beta 2: step towards the source's pattern, 0 to 1. It is the gradient of the normalised cross-correlation times
        the number of pixels and the variance of the slice, so that it means the same for slices of every size.
    iterations
        N.
    still_percentile
        Where the rise in the source lies below this percentile of its slice there is no edge.
    still_above
        And only where the source is brighter than this, in parts of the anchor.
    planes
        Whose slices go through the flow; of several planes the mean counts.
    change
        What of the flow's work is kept: ``places``, all of it; ``curve and field``, one monotone curve of intensity and
        a smooth gain, those that come nearest to it: then nothing can be drawn.
    smooth_mm
        Full width at half maximum over which the gain by place is averaged within the head; 0: not at all, and with
        ``curve and field`` no gain by place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: Annotated[tuple[_Part, ...], Field(min_length=1)] = (1e-3,)
    beta_edges: _NotNegative = 1e-3
    beta_likeness: _Part = 1.0
    iterations: Annotated[int, Field(ge=0, le=100)] = 10
    still_percentile: Annotated[float, Field(ge=0, le=100)] = 30.0
    still_above: _NotNegative = 0.05
    planes: Annotated[tuple[Plane, ...], Field(min_length=1)] = ("axial",)
    change: Literal["places", "curve and field"] = "places"
    smooth_mm: _NotNegative = 0.0

    @model_validator(mode="after")
    def _no_plane_counts_twice(self) -> FlowSettings:
        if len(set(self.planes)) != len(self.planes):
            raise ValueError("planes: each at most once")
        return self

    def shrinking(self, levels: int) -> tuple[float, ...]:
        """Return alpha at every level of a flow, finest first.

        Raises
        ------
        ValueError
            When the flow has another number of levels.
        """
        alpha = self.alpha * levels if len(self.alpha) == 1 else self.alpha
        if len(alpha) != levels:
            raise ValueError(f"flow.alpha: give one number, or {levels}: one for each level of the flow")
        return alpha
