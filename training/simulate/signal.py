"""The signal of a head in a site's sequence, on the head's own grid, before coils, point spread and noise."""

from __future__ import annotations

import numpy as np

from inference.volume import Float32Array, Float64Array
from training.simulate.head import Head
from training.simulate.sequences import Flair, Sequence, TurboSpinEcho
from training.simulate.shapes import smooth_field
from training.simulate.sites import Site, TransmitField
from training.simulate.texture import textured
from training.simulate.tissues import Tissue, relaxation

_FLOW_VOID = 0.15
"""What is left of flowing blood in spin echoes: it has left the slice before it is refocused. Invented."""
_STEP = 0.15


def levels(site: Site, sequence: Sequence | None = None) -> Float64Array:
    """Return the signal of each tissue as a fraction of water's magnetisation; shape (tissues,).

    Parameters
    ----------
    site
        Where.
    sequence
        Another one than the site's.
    """
    sequence = sequence or site.sequence
    signals = np.array([sequence.signal(relaxation(tissue, site.field_strength)) for tissue in Tissue])
    if isinstance(sequence, TurboSpinEcho | Flair):
        signals[Tissue.BLOOD] *= _FLOW_VOID
    return signals


def signal_of(head: Head, site: Site, *, scan_seed: int) -> Float32Array:
    """Return the signal on the head's grid; white matter's is 1 where flip angles are nominal.

    Parameters
    ----------
    head, site
        Who is scanned, and where.
    scan_seed
        The random part of the transmit field comes from it.
    """
    nominal = levels(site)
    white = nominal[Tissue.WHITE_MATTER]
    signal = textured(head.labels, (nominal / white).astype(np.float32), head.texture, seed=head.seed)
    if site.transmit_field is not None:
        rng = np.random.default_rng([head.seed, scan_seed, 1])
        _transmitted(signal, head, site, flip_off(head, site.transmit_field, rng))
    return signal


def flip_off(head: Head, field: TransmitField, rng: np.random.Generator) -> Float32Array:
    """Return how far flip angles are off, as a part of the nominal one; on the head's grid."""
    z, y, x = (
        (np.float32(head.affine[axis, 2 - axis]) * np.arange(n, dtype=np.float32) + np.float32(head.affine[axis, 3]))
        for axis, n in zip((2, 1, 0), head.labels.shape, strict=True)
    )
    away = (z**2)[:, None, None] + (y**2)[:, None] + x**2
    away *= np.float32(field.rim * 1e-4)
    away += np.float32(field.centre - 1)
    if field.random:
        away += np.float32(field.random) * smooth_field(rng, head.labels.shape, 2)
    np.clip(away, -0.45, 0.45, out=away)
    return np.asarray(away, np.float32)


def _transmitted(signal: Float32Array, head: Head, site: Site, off: Float32Array) -> None:
    """Change a signal to what flip angles that are off make of it: of second order, tissue by tissue."""
    nominal = levels(site)
    less, more = (levels(site, site.sequence.flipped(1 + step)) for step in (-_STEP, _STEP))
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.nan_to_num((more - less) / (2 * _STEP * nominal)).astype(np.float32)
        bend = np.nan_to_num((more + less - 2 * nominal) / (2 * _STEP**2 * nominal)).astype(np.float32)
    factor = bend[head.labels]
    factor *= off
    factor += slope[head.labels]
    factor *= off
    factor += 1
    signal *= np.maximum(factor, 0, out=factor)
