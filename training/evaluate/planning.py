"""The MR protocols of E4: what a planning system may be handed, on virtual scanners."""

from __future__ import annotations

from dataclasses import replace

from training.simulate.grid import Grid
from training.simulate.sequences import Flair, SpoiledGradientEcho, TurboSpinEcho
from training.simulate.sites import GMC, ReceiveField, Site, TransmitField
from training.simulate.unseen import UNSEEN

_AT_3T = TransmitField(centre=1.08, rim=-0.15, random=0.03)
_AT_15T = TransmitField(centre=1.02, rim=-0.05, random=0.015)

_SITES: dict[str, Site] = {
    "T1 MPRAGE 3 T": GMC,
    "T1 SPGR 1.5 T": Site(
        name="planning-t1-spgr", vendor="GE", field_strength="1.5 T",
        sequence=SpoiledGradientEcho(repetition_ms=22, echo_ms=4.5, flip_deg=28),
        grid=Grid("axial", (124, 256, 256), (1.5, 0.9375, 0.9375)), receive_field=ReceiveField(0.20, 0.08, 160),
        noise=0.04, blur=1.2, white_matter=700.0, gain_spread=0.2, transmit_field=_AT_15T,
    ),
    "T2 TSE 3 T": Site(
        name="planning-t2-tse", vendor="Siemens", field_strength="3 T",
        sequence=TurboSpinEcho(repetition_ms=5000, echo_ms=99, echoes=14, echo_spacing_ms=11, refocusing_deg=150),
        grid=Grid("axial", (64, 256, 256), (3.0, 0.9, 0.9), thickness_mm=3.0),
        receive_field=ReceiveField(0.10, 0.06, 190),
        noise=0.03, blur=1.2, white_matter=220.0, gain_spread=0.06, contrast="T2", transmit_field=_AT_3T,
    ),
    "PD TSE 1.5 T": Site(
        name="planning-pd-tse", vendor="Philips", field_strength="1.5 T",
        sequence=TurboSpinEcho(repetition_ms=3000, echo_ms=20, echoes=6, echo_spacing_ms=10, refocusing_deg=160),
        grid=Grid("axial", (64, 256, 256), (3.0, 0.9, 0.9), thickness_mm=3.0),
        receive_field=ReceiveField(0.15, 0.07, 170),
        noise=0.03, blur=1.2, white_matter=850.0, gain_spread=0.2, contrast="PD", transmit_field=_AT_15T,
    ),
    "FLAIR 3 T": Site(
        name="planning-flair", vendor="Philips", field_strength="3 T",
        sequence=Flair(cycle_ms=9000, inversion_ms=2400, echo_ms=120, echoes=20, echo_spacing_ms=10),
        grid=Grid("sagittal", (146, 240, 240), (1.2, 1.0, 1.0)), receive_field=ReceiveField(0.12, 0.07, 180),
        noise=0.045, blur=1.2, white_matter=420.0, gain_spread=0.2, contrast="FLAIR", transmit_field=_AT_3T,
    ),
}  # fmt: skip

_THICKEST_MM = 3.0
"""Planning asks for slices of at most this, without gaps."""


def _thin(site: Site) -> Site:
    """Return a site with thinner slices that touch, where its own are thicker than planning takes."""
    (slices, rows, columns), (slice_mm, row_mm, column_mm) = site.grid.shape, site.grid.spacing_mm
    if slice_mm <= _THICKEST_MM:
        return site
    shape = (round(slices * slice_mm / _THICKEST_MM), rows, columns)
    spacing_mm = (_THICKEST_MM, row_mm, column_mm)
    return replace(site, grid=replace(site.grid, shape=shape, spacing_mm=spacing_mm, thickness_mm=_THICKEST_MM))


PLANNING: dict[str, Site] = {**_SITES, **{f"unseen {name}": _thin(site) for name, site in UNSEEN.items()}}
"""Name -> site: five of the usual sequences, then the scanners that nothing is trained on, by "unseen" in their name.

Timing is what such scanners are set to; the unseen ones of thick slices are given thin ones; coils, noise and scaling
are invented. The first five are of kinds that training draws at random.
"""

USUAL = tuple(_SITES)
"""Names of the first five."""
