"""Which heads are trained on: procedural ones, label maps with deformations of them, and real volumes, by the split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.examples.heads import RealHead


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Heads to draw examples from.

    Attributes
    ----------
    simulated, simulated_validation
        Files of simulated heads, to train on and to watch progress on; no person is in both.
    real
        Real volumes to train on; may be empty.
    """

    simulated: Sequence[Path]
    simulated_validation: Sequence[Path]
    real: Sequence[RealHead]


def gathered(data: Path | None, cache: Path, *, procedural: int, deformations: int) -> Sources:
    f = sorted(cache.glob("*.npz"))
    return Sources(f[2:], f[:2], ())
