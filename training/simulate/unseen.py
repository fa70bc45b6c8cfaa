"""Sites that no training ever sees: other vendors, other sequences, 2D protocols, other contrasts."""

from __future__ import annotations

from training.simulate.grid import Grid
from training.simulate.sequences import Flair, Mprage, SpoiledGradientEcho, TurboSpinEcho
from training.simulate.sites import Ghosting, ReceiveField, Site, TransmitField

_HEAD_3T = TransmitField(centre=1.10, rim=-0.18, random=0.03)
_HEAD_15T = TransmitField(centre=1.03, rim=-0.06, random=0.015)
_UNEVEN = ReceiveField(rim=0.30, random=0.10, reach_mm=140)
_EVEN = ReceiveField(rim=0.08, random=0.05, reach_mm=200)
_BIRDCAGE = ReceiveField(rim=-0.05, random=0.04, reach_mm=160)

_SITES = (
    Site(
        name="canon-3t", vendor="Canon", field_strength="3 T",
        sequence=Mprage(cycle_ms=2250, inversion_ms=900, echoes=190, echo_spacing_ms=5.8, echo_ms=2.7, flip_deg=9),
        grid=Grid("sagittal", (176, 256, 256), (1.0, 1.0, 1.0)), receive_field=ReceiveField(0.16, 0.08, 170),
        noise=0.03, blur=1.2, white_matter=2100.0, gain_spread=0.2, transmit_field=_HEAD_3T,
    ),
    Site(
        name="ge-3t-spgr", vendor="GE", field_strength="3 T",
        sequence=SpoiledGradientEcho(repetition_ms=9.0, echo_ms=3.6, flip_deg=18),
        grid=Grid("axial", (150, 256, 256), (1.2, 0.9375, 0.9375)), receive_field=_UNEVEN,
        noise=0.035, blur=1.2, white_matter=1500.0, gain_spread=0.2, transmit_field=_HEAD_3T,
    ),
    Site(
        name="siemens-15t", vendor="Siemens", field_strength="1.5 T",
        sequence=Mprage(cycle_ms=2400, inversion_ms=1000, echoes=160, echo_spacing_ms=8.4, echo_ms=3.6, flip_deg=8),
        grid=Grid("sagittal", (160, 240, 240), (1.2, 1.0, 1.0)), receive_field=_EVEN,
        noise=0.045, blur=1.1, white_matter=300.0, gain_spread=0.06, transmit_field=_HEAD_15T,
    ),
    Site(
        name="philips-15t-2d-t1", vendor="Philips", field_strength="1.5 T",
        sequence=TurboSpinEcho(repetition_ms=560, echo_ms=12, echoes=3, echo_spacing_ms=12, refocusing_deg=180),
        grid=Grid("axial", (28, 256, 256), (6.0, 0.9, 0.9), tilt_deg=8.0, thickness_mm=5.0), receive_field=_BIRDCAGE,
        noise=0.02, blur=1.3, white_matter=760.0, gain_spread=0.2, transmit_field=_HEAD_15T,
        ghosting=Ghosting(strength=0.012, shift=0.22, axis="columns"),
    ),
    Site(
        name="siemens-3t-2d-t2", vendor="Siemens", field_strength="3 T",
        sequence=TurboSpinEcho(repetition_ms=5200, echo_ms=96, echoes=15, echo_spacing_ms=12, refocusing_deg=140),
        grid=Grid("axial", (30, 320, 320), (5.2, 0.72, 0.72), tilt_deg=10.0, thickness_mm=4.0), receive_field=_EVEN,
        noise=0.025, blur=1.2, white_matter=210.0, gain_spread=0.06, contrast="T2", transmit_field=_HEAD_3T,
        ghosting=Ghosting(strength=0.008, shift=0.31, axis="columns"),
    ),
    Site(
        name="philips-3t-2d-flair", vendor="Philips", field_strength="3 T",
        sequence=Flair(cycle_ms=11000, inversion_ms=2550, echo_ms=120, echoes=20, echo_spacing_ms=10),
        grid=Grid("axial", (27, 288, 288), (6.0, 0.8, 0.8), tilt_deg=10.0, thickness_mm=5.0),
        receive_field=ReceiveField(0.12, 0.07, 170),
        noise=0.05, blur=1.3, white_matter=420.0, gain_spread=0.2, contrast="FLAIR", transmit_field=_HEAD_3T,
    ),
    Site(
        name="ge-15t-2d-pd", vendor="GE", field_strength="1.5 T",
        sequence=TurboSpinEcho(repetition_ms=2800, echo_ms=16, echoes=6, echo_spacing_ms=16, refocusing_deg=160),
        grid=Grid("axial", (24, 256, 256), (7.0, 0.94, 0.94), thickness_mm=5.0), receive_field=_UNEVEN,
        noise=0.03, blur=1.3, white_matter=900.0, gain_spread=0.2, contrast="PD", transmit_field=_HEAD_15T,
    ),
)  # fmt: skip

UNSEEN: dict[str, Site] = {site.name: site for site in _SITES}
"""Name -> site. Their timing lies within what such scanners are set to; coils, noise and scaling are invented.

Nothing is trained or tuned on them: they show what a harmonizer makes of a scanner that it never saw. Four are T1,
one each T2, FLAIR and PD.
"""
