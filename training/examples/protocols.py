"""Random protocols: what tissues are as bright as in some scanner, known or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from inference.volume import Float32Array
from training.simulate.sequences import Mprage, Sequence, SpoiledGradientEcho
from training.simulate.sites import SITES, ReceiveField, Site
from training.simulate.tissues import FieldStrength, Relaxation, Tissue, relaxation

_OF_A_SITE = 0.45
"""How often a protocol is that of one of the four sites, its coils and timing a little off."""

_T2_PER_T2_STAR = 1.4
"""Invented, about that of grey and white matter."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a scanner shows a head.

    Attributes
    ----------
    contrast
        As in `inference.contract.Contrast`.
    sequence, field_strength
        From which tissues get their levels.
    receive_field
        Of its coils.
    noise
        In each of two channels, against white matter, after averaging to 2 mm.
    """

    contrast: str
    sequence: Sequence | _SpinEcho
    field_strength: FieldStrength
    receive_field: ReceiveField
    noise: float

    def levels(self, person: Mapping[Tissue, Relaxation]) -> Float32Array:
        """Return the signal of every tissue of a person; white matter's is 1."""
        signals = np.array([self.sequence.signal(person[tissue]) for tissue in Tissue])
        return np.asarray(signals / signals[Tissue.WHITE_MATTER], np.float32)


def person_of(
    rng: np.random.Generator, field_strength: FieldStrength, *, spread: float = 0.02
) -> dict[Tissue, Relaxation]:
    """Return the tissues of one person at a field strength: the table's, each a little off (invented spread).

    The generator's state decides: the same state gives the same person at either field strength.
    """
    factors = np.exp(spread * rng.standard_normal((len(Tissue), 2)))
    return {
        tissue: replace(table, proton_density=table.proton_density * density, t1_ms=table.t1_ms * slow)
        for tissue, (density, slow) in zip(Tissue, factors, strict=True)
        for table in (relaxation(tissue, field_strength),)
    }


def random_contrast(rng: np.random.Generator) -> str:
    """Return a contrast; most are T1."""
    return str(rng.choice(list(_SEQUENCES), p=(0.82, 0.06, 0.06, 0.06)))


def random_protocol(rng: np.random.Generator, contrast: str, *, unevenness: float = 1.0) -> Protocol:
    """Return a protocol that no site has or, for T1, one of the four sites', hardly changed.

    Parameters
    ----------
    rng
        For all that is random.
    contrast
        One of those that `random_contrast` returns.
    unevenness
        Of the coils of a protocol that no site has: 1 for any scanner, less for one that is chosen as a target, since
        it corrects its images. Were both alike, nobody could tell a mishap's field from the target's own.
    """
    if contrast == "T1" and rng.random() < _OF_A_SITE:
        return of_site(list(SITES.values())[int(rng.integers(len(SITES)))], rng)
    strength: FieldStrength = "3 T" if rng.random() < 0.5 else "1.5 T"
    sequence = _SEQUENCES[contrast](rng)
    field = ReceiveField(
        unevenness * rng.uniform(-0.1, 0.45),
        unevenness * rng.uniform(0.03, 0.13),
        rng.uniform(120, 240) / unevenness**0.5,
    )
    return Protocol(contrast, sequence, strength, field, rng.uniform(0.004, 0.03))


def of_site(site: Site, rng: np.random.Generator) -> Protocol:
    """Return the protocol of a site with coils a little off."""
    field = site.receive_field
    off = ReceiveField(
        field.rim * rng.uniform(0.8, 1.2), field.random * rng.uniform(0.8, 1.2), field.reach_mm * rng.uniform(0.9, 1.1)
    )
    fine = float(np.prod(site.grid.spacing_mm)) ** 0.5 / 2**1.5  # averaging to 2 mm leaves this much of the noise
    return Protocol("T1", site.sequence, site.field_strength, off, site.noise * min(fine, 1.0))


@dataclass(frozen=True, slots=True)
class _SpinEcho:
    """A spin echo, fast or not, with an inversion before it or not, as textbooks have it: T2 and T1 alone count."""

    repetition_ms: float
    echo_ms: float
    inversion_ms: float | None = None

    def signal(self, tissue: Relaxation) -> float:
        """Return the magnitude; T2 is taken as a multiple of T2*, which is invented."""
        recovered = 1 - math.exp(-self.repetition_ms / tissue.t1_ms)
        if self.inversion_ms is not None:
            recovered = abs(1 - 2 * math.exp(-self.inversion_ms / tissue.t1_ms) + 1 - recovered)
        return tissue.proton_density * recovered * math.exp(-self.echo_ms / (_T2_PER_T2_STAR * tissue.t2_star_ms))


def _t1(rng: np.random.Generator) -> Sequence:
    if rng.random() < 0.25:
        return SpoiledGradientEcho(rng.uniform(8, 35), rng.uniform(1.5, 6), rng.uniform(15, 35))
    while True:
        cycle, inversion = rng.uniform(1600, 2800), rng.uniform(700, 1150)
        echoes, spacing = int(rng.integers(90, 200)), rng.uniform(5.5, 11)
        if echoes / 2 * spacing < 0.98 * min(inversion, cycle - inversion):
            return Mprage(cycle, inversion, echoes, spacing, rng.uniform(1.8, 5), rng.uniform(6, 13))


def _t2(rng: np.random.Generator) -> _SpinEcho:
    return _SpinEcho(rng.uniform(3000, 7000), rng.uniform(75, 120))


def _pd(rng: np.random.Generator) -> _SpinEcho:
    return _SpinEcho(rng.uniform(2000, 5000), rng.uniform(8, 35))


def _flair(rng: np.random.Generator) -> _SpinEcho:
    return _SpinEcho(rng.uniform(7000, 11000), rng.uniform(90, 140), rng.uniform(2200, 2800))


_SEQUENCES: Mapping[str, Callable[[np.random.Generator], Sequence | _SpinEcho]] = {
    "T1": _t1, "T2": _t2, "PD": _pd, "FLAIR": _flair,
}  # fmt: skip
