"""What kinds of models do: a code for machines, words for people."""

from __future__ import annotations

from dataclasses import dataclass

from inference.output import Output


@dataclass(frozen=True, slots=True)
class Task:
    """What a kind of model does: a code of the private scheme (CID 7203 has none), its meaning, and its short name.

    Attributes
    ----------
    code, meaning
        At most 16 and 64 characters.
    label
        In SeriesDescription.
    """

    code: str
    meaning: str
    label: str


TASKS: dict[str, Task] = {
    "harmonization": Task("HARMONIZATION", "Harmonization of image contrast to a target scanner", "harmonization"),
    "synthetic ct": Task("SYNTHETIC-CT", "Synthesis of a CT image from MR images", "sCT"),
    "uncertainty of synthetic ct": Task(
        "UNCERTAINTY-CT", "Disagreement with itself of a network that synthesises CT", "sCT uncertainty"
    ),
}
"""Task of a provenance -> what it is."""


def task_of(task: str, output: Output) -> str:
    """Return the task of a run: that of the model's manifest, or telling how unsure it is."""
    return task if output is Output.RESULT else f"{output} of {task}"
