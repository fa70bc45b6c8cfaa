"""What a pulse sequence makes of a tissue: its signal in the steady state, as a fraction of water's magnetisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

from training.simulate.echo_train import EchoTrain
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

    def flipped(self, factor: float) -> SpoiledGradientEcho:
        """Return it where the transmit field is `factor` times the nominal one."""
        return replace(self, flip_deg=self.flip_deg * factor)


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

    def flipped(self, factor: float) -> Mprage:
        """Return it where the transmit field is `factor` times the nominal one; an adiabatic inversion minds little."""
        return replace(self, flip_deg=self.flip_deg * factor)

    def _half_train(self, t1_ms: float) -> tuple[float, float]:
        e1 = math.exp(-self.echo_spacing_ms / t1_ms)
        kept = math.cos(math.radians(self.flip_deg)) * e1
        factor = kept ** (self.echoes / 2)
        return factor, (1 - e1) / (1 - kept) * (1 - factor)


@dataclass(frozen=True, slots=True)
class TurboSpinEcho:
    """A train of spin echoes after each excitation (TSE, FSE; RARE: Hennig et al. 1986, Magn Reson Med 3:823).

    Attributes
    ----------
    repetition_ms
        TR.
    echo_ms
        Effective TE: that of the echo at the centre of k-space.
    echoes, echo_spacing_ms
        Length of the train, and the time between its echoes.
    refocusing_deg, flip_deg
        Flip angle of the refocusing pulses, and of the excitation.
    """

    repetition_ms: float
    echo_ms: float
    echoes: int
    echo_spacing_ms: float
    refocusing_deg: float = 150.0
    flip_deg: float = 90.0

    def __post_init__(self) -> None:
        _check_train(_train(self), self.echo_ms, self.repetition_ms)

    def signal(self, tissue: Relaxation) -> float:
        """Return the magnitude at the centre of k-space, in the steady state. Fat is not brightened by J-coupling."""
        train = _train(self)
        rest = _recovery(self.repetition_ms - train.duration_ms, tissue.t1_ms)
        return tissue.proton_density * _steady_echo(train, tissue, self.echo_ms, (rest,))

    def flipped(self, factor: float) -> TurboSpinEcho:
        """Return it where the transmit field is `factor` times the nominal one."""
        return replace(self, flip_deg=self.flip_deg * factor, refocusing_deg=self.refocusing_deg * factor)


@dataclass(frozen=True, slots=True)
class Flair:
    """An inversion that nulls CSF before a train of spin echoes (Hajnal et al. 1992, J Comput Assist Tomogr 16:841).

    Attributes
    ----------
    cycle_ms
        From inversion to inversion: TR.
    inversion_ms
        From the inversion to the excitation.
    echo_ms, echoes, echo_spacing_ms, refocusing_deg, flip_deg
        As in `TurboSpinEcho`.
    inversion_efficiency
        1 for a perfect inversion.
    """

    cycle_ms: float
    inversion_ms: float
    echo_ms: float
    echoes: int
    echo_spacing_ms: float
    refocusing_deg: float = 150.0
    flip_deg: float = 90.0
    inversion_efficiency: float = 0.96

    def __post_init__(self) -> None:
        _check_train(_train(self), self.echo_ms, self.cycle_ms - self.inversion_ms)

    def signal(self, tissue: Relaxation) -> float:
        """Return the magnitude at the centre of k-space, in the steady state."""
        train = _train(self)
        rest = _recovery(self.cycle_ms - self.inversion_ms - train.duration_ms, tissue.t1_ms)
        steps = (rest, (-self.inversion_efficiency, 0.0), _recovery(self.inversion_ms, tissue.t1_ms))
        return tissue.proton_density * _steady_echo(train, tissue, self.echo_ms, steps)

    def flipped(self, factor: float) -> Flair:
        """Return it where the transmit field is `factor` times the nominal one; an adiabatic inversion minds little."""
        return replace(self, flip_deg=self.flip_deg * factor, refocusing_deg=self.refocusing_deg * factor)


Sequence: TypeAlias = SpoiledGradientEcho | Mprage | TurboSpinEcho | Flair


def _train(sequence: TurboSpinEcho | Flair) -> EchoTrain:
    return EchoTrain(sequence.flip_deg, sequence.refocusing_deg, sequence.echoes, sequence.echo_spacing_ms)


def _check_train(train: EchoTrain, echo_ms: float, room_ms: float) -> None:
    if train.duration_ms > room_ms:
        raise ValueError(f"a train of {train.duration_ms:.0f} ms does not fit into {room_ms:.0f} ms")
    if not 1 <= round(echo_ms / train.echo_spacing_ms) <= train.echoes:
        raise ValueError(f"there is no echo at {echo_ms:.0f} ms in the train")


def _steady_echo(train: EchoTrain, tissue: Relaxation, echo_ms: float, steps: tuple[tuple[float, float], ...]) -> float:
    """Return an echo when each cycle is like the last: train and steps after it each take m to a m + b."""
    echo = round(echo_ms / train.echo_spacing_ms)
    offset = train.run(tissue, 0.0, echo)[1]
    a, b = train.run(tissue, 1.0, echo)[1] - offset, offset
    for factor, added in steps:
        a, b = factor * a, factor * b + added
    return train.run(tissue, b / (1 - a), echo)[0]


def _recovery(duration_ms: float, t1_ms: float) -> tuple[float, float]:
    kept = math.exp(-duration_ms / t1_ms)
    return kept, 1 - kept
