"""What a pulse sequence makes of a tissue: its signal in the steady state, as a fraction of water's magnetisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from training.simulate.tissues import Relaxation


@dataclass(frozen=True, slots=True)
class SpoiledGradientEcho:
    """A gradient echo whose transverse magnetisation is spoiled before each pulse (FLASH, SPGR, T1-FFE).

    Attributes
    ----------
    repetition_ms, echo_ms
        TR, TE.
    flip_deg
        Flip angle.
    """

    repetition_ms: float
    echo_ms: float
    flip_deg: float

    def signal(self, tissue: Relaxation) -> float:
        """Return the magnitude at the centre of k-space: Ernst and Anderson 1966, Rev Sci Instrum 37:93."""
        flip = math.radians(self.flip_deg)
        e1 = math.exp(-self.repetition_ms / tissue.t1_ms)
        mz = (1 - e1) / (1 - math.cos(flip) * e1)
        return tissue.proton_density * mz * math.sin(flip) * math.exp(-self.echo_ms / tissue.t2_star_ms)


@dataclass(frozen=True, slots=True)
class Mprage:
    """An inversion, a wait, a train of spoiled gradient echoes, a recovery (Mugler and Brookeman 1990, MRM 15:152).

    GE calls it IR-SPGR or BRAVO, Philips TFE with an inversion pulse.

    Attributes
    ----------
    cycle_ms
        From inversion to inversion: what Siemens calls TR.
    inversion_ms
        From the inversion to the echo at the centre of k-space, in the middle of the train.
    echoes, echo_spacing_ms
        Length of the train, and the time between its pulses: what GE and Philips call TR.
    echo_ms
        TE.
    flip_deg
        Flip angle of the train.
    inversion_efficiency
        1 for a perfect inversion.
    """

    cycle_ms: float
    inversion_ms: float
    echoes: int
    echo_spacing_ms: float
    echo_ms: float
    flip_deg: float
    inversion_efficiency: float = 0.96

    def __post_init__(self) -> None:
        half_ms = self.echoes / 2 * self.echo_spacing_ms
        if half_ms > min(self.inversion_ms, self.cycle_ms - self.inversion_ms):
            raise ValueError(f"a train of {2 * half_ms:.0f} ms does not fit around {self.inversion_ms:.0f} ms")

    def signal(self, tissue: Relaxation) -> float:
        """Return the magnitude at the centre of k-space, with linear phase encoding.

        The steady state of Deichmann et al. 2000, NeuroImage 12:112: the longitudinal magnetisation goes through wait,
        half a train, the other half and recovery, each of which takes m to a m + b; one cycle ends where the next
        begins.
        """
        half_ms = self.echoes / 2 * self.echo_spacing_ms
        wait = _recovery(self.inversion_ms - half_ms, tissue.t1_ms)
        half = self._half_train(tissue.t1_ms)
        rest = _recovery(self.cycle_ms - self.inversion_ms - half_ms, tissue.t1_ms)
        a, b = -self.inversion_efficiency, 0.0
        for factor, offset in (wait, half, half, rest):
            a, b = factor * a, factor * b + offset
        mz = -self.inversion_efficiency * b / (1 - a)
        for factor, offset in (wait, half):
            mz = factor * mz + offset
        decay = math.exp(-self.echo_ms / tissue.t2_star_ms)
        return tissue.proton_density * abs(mz) * math.sin(math.radians(self.flip_deg)) * decay

    def _half_train(self, t1_ms: float) -> tuple[float, float]:
        e1 = math.exp(-self.echo_spacing_ms / t1_ms)
        kept = math.cos(math.radians(self.flip_deg)) * e1
        factor = kept ** (self.echoes / 2)
        return factor, (1 - e1) / (1 - kept) * (1 - factor)


Sequence: TypeAlias = SpoiledGradientEcho | Mprage


def _recovery(duration_ms: float, t1_ms: float) -> tuple[float, float]:
    kept = math.exp(-duration_ms / t1_ms)
    return kept, 1 - kept
