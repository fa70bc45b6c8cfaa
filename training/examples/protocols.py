"""Random protocols: what tissues are as bright as in some scanner, known or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from inference.contract import Contrast
from inference.volume import Float32Array
from training.simulate.random_site import random_sequence
from training.simulate.sequences import Sequence
from training.simulate.sites import SITES, ReceiveField, Site
from training.simulate.tissues import FieldStrength, Relaxation, Tissue, relaxation

_OF_A_SITE = 0.45
"""How often a protocol is that of one of the four sites, its coils and timing a little off."""

_CONTRASTS: Mapping[Contrast, float] = {"T1": 0.82, "T2": 0.06, "PD": 0.06, "FLAIR": 0.06}


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

    contrast: Contrast
    sequence: Sequence
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


def random_contrast(rng: np.random.Generator) -> Contrast:
    """Return a contrast; most are T1."""
    return list(_CONTRASTS)[rng.choice(len(_CONTRASTS), p=list(_CONTRASTS.values()))]


def random_protocol(rng: np.random.Generator, contrast: Contrast, *, unevenness: float = 1.0) -> Protocol:
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
    sequence = random_sequence(rng, contrast)
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
