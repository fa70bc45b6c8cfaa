"""What may be asked of a model: its result, or how unsure it is of it."""

from __future__ import annotations

from enum import StrEnum


class Output(StrEnum):
    """What one run of a model gives.

    Attributes
    ----------
    RESULT
        What the model is for; every model gives it.
    UNCERTAINTY
        How far its answers lie apart when its input is changed in ways that ought not to matter: their standard
        deviation, in the unit of the result. No calibrated error. Offered where the manifest says so.
    """

    RESULT = "result"
    UNCERTAINTY = "uncertainty"
