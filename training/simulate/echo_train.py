"""A train of spin echoes: magnetisation that is excited once and refocused many times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.simulate.tissues import Relaxation

_States: TypeAlias = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class EchoTrain:
    """An excitation and its refocusing pulses, all alike, in the phase of Carr, Purcell, Meiboom and Gill.

    Attributes
    ----------
    flip_deg, refocusing_deg
        Flip angle of the excitation, and of the refocusing pulses.
    echoes, echo_spacing_ms
        Length of the train, and the time between its echoes.
    """

    flip_deg: float
    refocusing_deg: float
    echoes: int
    echo_spacing_ms: float

    @property
    def duration_ms(self) -> float:
        """From the excitation to the last echo and half a spacing on."""
        return (self.echoes + 0.5) * self.echo_spacing_ms

    def run(self, tissue: Relaxation, mz: float, echo: int) -> tuple[float, float]:
        """Follow magnetisation through the train by extended phase graphs (Weigel 2015, J Magn Reson Imaging 41:266).

        Parameters
        ----------
        tissue
            Its T1 and T2; its proton density is left out.
        mz
            Longitudinal magnetisation before the excitation.
        echo
            Which one is asked for; the first is 1.

        Returns
        -------
        Magnitude of that echo, and the longitudinal magnetisation when the train has ended.
        """
        half_ms = self.echo_spacing_ms / 2
        e1, e2 = math.exp(-half_ms / tissue.t1_ms), math.exp(-half_ms / tissue.t2_ms)
        flip, refocusing = math.radians(self.flip_deg), math.radians(self.refocusing_deg)
        states: _States = np.zeros((3, 2 * self.echoes + 3), np.complex128)  # F+, F- and Z by order of dephasing
        states[:2, 0], states[2, 0] = mz * math.sin(flip), mz * math.cos(flip)
        asked = 0.0
        for number in range(1, self.echoes + 1):
            states = _refocused(_dephased(states, e1, e2), refocusing)
            states = _dephased(states, e1, e2)
            if number == echo:
                asked = abs(states[0, 0])
        return asked, float(_dephased(states, e1, e2)[2, 0].real)


def _refocused(states: _States, flip: float) -> _States:
    """Turn the states by a pulse; magnetisation in its phase lies along its axis."""
    c, s = math.cos(flip / 2) ** 2, math.sin(flip / 2) ** 2
    sine, cosine = math.sin(flip), math.cos(flip)
    plus, minus, z = states
    turned = np.empty_like(states)
    turned[0] = c * plus + s * minus - 1j * sine * z
    turned[1] = s * plus + c * minus + 1j * sine * z
    turned[2] = 0.5j * sine * (minus - plus) + cosine * z
    return turned


def _dephased(states: _States, e1: float, e2: float) -> _States:
    """Relax the states, let Z recover, and move F by an order, as gradients between pulses do."""
    moved = np.zeros_like(states)
    moved[0, 1:] = e2 * states[0, :-1]
    moved[1, :-1] = e2 * states[1, 1:]
    moved[0, 0] = np.conj(moved[1, 0])
    moved[2] = e1 * states[2]
    moved[2, 0] += 1 - e1
    return moved
