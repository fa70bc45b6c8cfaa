"""The sets: how much of the bench is run."""

from __future__ import annotations

from dataclasses import dataclass

from training.evaluate.corruption import CORRUPTIONS

_TYPICAL = ("exp", "log", "gamma 0.7", "gamma 1.5", "field 0.1 + 0.1", "field 0.2 + 0", "field 0.2 + 0.05",
            "field 0.3 + 0.1")  # fmt: skip
_ONE_OF_EACH = ("exp", "gamma 0.7", "field 0.2 + 0.05")
_REAL = ("ixi", "philips", "patient04-t1", "patient12-s1-t1", "patient12-s1-t2", "patient12-s1-flair")
_REAL_TOO = ("patient04-t2", "patient04-flair", "patient12-s2-t1", "patient12-s2-t2", "patient12-s2-flair")


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """How much is run.

    Attributes
    ----------
    spacing_mm, head_mm
        Voxels of the scans, and of the heads that are scanned.
    references
        Heads that the look of a site is taken from.
    corruptions, e1_heads, e1_sites, every_site, real
        E1: names of corruptions; how many simulated heads; in which sites, every head in each of them or in turn; names
        of real volumes.
    e2_train, e2_test, e2_epochs
        E2: label maps and drawn heads that classifiers learn from, and are tested on; passes of the network.
    e3_heads, e3_targets
        E3: label maps and drawn heads; the target sites.
    e4_spacing_mm, e4_heads, e4_unseen
        E4: its own `spacing_mm`; label maps and drawn heads; in how many of the unseen scanners each is scanned, in
        turn.
    drawn_only
        Heads are drawn even where label maps are at hand.
    """

    spacing_mm: float
    head_mm: float
    references: int
    corruptions: tuple[str, ...]
    e1_heads: int
    e1_sites: tuple[str, ...]
    every_site: bool
    real: tuple[str, ...]
    e2_train: tuple[int, int]
    e2_test: tuple[int, int]
    e2_epochs: int
    e3_heads: tuple[int, int]
    e3_targets: tuple[str, ...]
    e4_spacing_mm: float
    e4_heads: tuple[int, int]
    e4_unseen: int
    drawn_only: bool = False


SETS: dict[str, EvaluationSet] = {
    "quick": EvaluationSet(
        spacing_mm=4, head_mm=4, references=2, corruptions=_ONE_OF_EACH, e1_heads=2,
        e1_sites=("siemens-3t",), every_site=True, real=(),
        e2_train=(2, 0), e2_test=(1, 0), e2_epochs=2, e3_heads=(1, 0), e3_targets=("siemens-3t",),
        e4_spacing_mm=3, e4_heads=(1, 0), e4_unseen=1, drawn_only=True,
    ),
    "default": EvaluationSet(
        spacing_mm=2, head_mm=1, references=6, corruptions=_TYPICAL, e1_heads=4,
        e1_sites=("siemens-3t", "philips-3t"), every_site=False, real=_REAL,
        e2_train=(6, 2), e2_test=(4, 2), e2_epochs=12, e3_heads=(4, 2),
        e3_targets=("siemens-3t", "ge-15t"), e4_spacing_mm=2, e4_heads=(4, 2), e4_unseen=2,
    ),
    "full": EvaluationSet(
        spacing_mm=2, head_mm=1, references=6, corruptions=tuple(CORRUPTIONS), e1_heads=6,
        e1_sites=("siemens-3t", "philips-3t"), every_site=True, real=_REAL + _REAL_TOO,
        e2_train=(10, 6), e2_test=(4, 4), e2_epochs=20, e3_heads=(4, 4),
        e3_targets=("siemens-3t", "ge-15t"), e4_spacing_mm=2, e4_heads=(4, 4), e4_unseen=7,
    ),
}  # fmt: skip
"""Name -> set."""
