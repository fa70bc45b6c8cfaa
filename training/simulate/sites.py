"""A virtual site: scanner, protocol and habits; and the four sites of a published study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference.contract import Contrast
from training.simulate.grid import Grid
from training.simulate.sequences import Mprage, Sequence
from training.simulate.tissues import FieldStrength


@dataclass(frozen=True, slots=True)
class ReceiveField:
    """How unevenly the coils listen; all of it is invented.

    Attributes
    ----------
    rim
        Log gain at 100 mm from the middle of the head against the middle, before the scanner's own correction.
    random
        Amount of a smooth log gain that differs from scan to scan; its standard deviation is `SPREAD` of it.
    reach_mm
        How far below the middle of the head the gain has fallen to 1/e.
    """

    rim: float
    random: float
    reach_mm: float


@dataclass(frozen=True, slots=True)
class TransmitField:
    """How unevenly the body coil turns magnetisation (B1+); all of it is invented, after what 3 T shows.

    Attributes
    ----------
    centre
        Flip angle in the middle of the head against the nominal one.
    rim
        Change of that at 100 mm from the middle.
    random
        Amount of a smooth change that differs from scan to scan; its standard deviation is `SPREAD` of it.
    """

    centre: float
    rim: float
    random: float


@dataclass(frozen=True, slots=True)
class Ghosting:
    """Faint copies of the head along phase encoding, from movement or pulsation.

    Attributes
    ----------
    strength
        Of the first copy on either side, against the head.
    shift
        Of that copy, as a part of the field of view: one over the period of the movement, in steps of phase encoding.
    axis
        Along which phase is encoded.
    """

    strength: float
    shift: float
    axis: Literal["rows", "columns"]


@dataclass(frozen=True, slots=True)
class Site:
    """A scanner with a protocol.

    Attributes
    ----------
    name
        As rules and models call it.
    vendor
        The manufacturer.
    field_strength
        Of the magnet.
    sequence
        The pulse sequence and its timing.
    grid
        Matrix, voxel size and plane.
    receive_field
        How unevenly the coils listen.
    noise
        Standard deviation of the noise in each of the two channels, against the signal of white matter.
    blur
        Full width at half maximum of the point spread, in voxels.
    white_matter
        Stored value that white matter has on average: the vendor's scaling, in short. Invented but for its order.
    gain_spread
        Standard deviation of the log of that scaling from scan to scan.
    contrast
        Of the images.
    transmit_field
        How unevenly flip angles come out; None: evenly.
    ghosting
        None: none.
    """

    name: str
    vendor: Literal["GE", "Philips", "Siemens", "Canon"]
    field_strength: FieldStrength
    sequence: Sequence
    grid: Grid
    receive_field: ReceiveField
    noise: float
    blur: float
    white_matter: float
    gain_spread: float
    contrast: Contrast = "T1"
    transmit_field: TransmitField | None = None
    ghosting: Ghosting | None = None


SMC = Site(
    name="philips-3t",
    vendor="Philips",
    field_strength="3 T",
    # TE 4.6, echo spacing 9.9 ms: the study. Flip angle, matrix: what that centre states in other papers. That an
    # inversion precedes the train, its time and the cycle are our reading: at 8 degrees there is next to no T1 contrast
    # without one.
    sequence=Mprage(cycle_ms=2500, inversion_ms=950, echoes=150, echo_spacing_ms=9.9, echo_ms=4.6, flip_deg=8),
    grid=Grid("sagittal", (170, 240, 240), (1.0, 1.0, 1.0)),
    receive_field=ReceiveField(rim=0.10, random=0.07, reach_mm=190),
    noise=0.025,
    blur=1.1,
    white_matter=900.0,
    gain_spread=0.15,
)
ADNI = Site(
    name="ge-15t",
    vendor="GE",
    field_strength="1.5 T",
    # TE 3.8-4.1, echo spacing 8.6-10.4 ms: the study; TI 1000 ms, 8 degrees, 1.2 mm sagittal: Jack et al. 2008, J Magn
    # Reson Imaging 27:685. The cycle is that of the same protocol on other scanners.
    sequence=Mprage(cycle_ms=2400, inversion_ms=1000, echoes=166, echo_spacing_ms=9.2, echo_ms=3.9, flip_deg=8),
    grid=Grid("sagittal", (166, 256, 256), (1.2, 0.9375, 0.9375)),
    receive_field=ReceiveField(rim=0.22, random=0.08, reach_mm=150),
    noise=0.05,
    blur=1.3,
    white_matter=620.0,
    gain_spread=0.20,
)
GSEV = Site(
    name="ge-15t-b",
    vendor="GE",
    field_strength="1.5 T",
    # The study's table gives this site the values of the one above. All that differs here is invented: timing at the
    # other end of its ranges, a shorter inversion time, a larger flip angle, axial slices, another coil, more noise.
    sequence=Mprage(cycle_ms=2200, inversion_ms=860, echoes=124, echo_spacing_ms=10.4, echo_ms=4.1, flip_deg=10),
    grid=Grid("axial", (124, 256, 256), (1.5, 0.9375, 0.9375), tilt_deg=6.0),
    receive_field=ReceiveField(rim=0.42, random=0.12, reach_mm=130),
    noise=0.07,
    blur=1.15,
    white_matter=480.0,
    gain_spread=0.20,
)
GMC = Site(
    name="siemens-3t",
    vendor="Siemens",
    field_strength="3 T",
    # TE 2.9, cycle 1900 ms: the study. TI 900 ms, 9 degrees, echo spacing: the vendor's product protocol.
    sequence=Mprage(cycle_ms=1900, inversion_ms=900, echoes=176, echo_spacing_ms=7.0, echo_ms=2.9, flip_deg=9),
    grid=Grid("sagittal", (176, 256, 256), (1.0, 1.0, 1.0)),
    receive_field=ReceiveField(rim=0.06, random=0.05, reach_mm=210),
    noise=0.02,
    blur=1.0,
    white_matter=350.0,
    gain_spread=0.04,
)

SITES: dict[str, Site] = {site.name: site for site in (SMC, ADNI, GSEV, GMC)}
"""Name -> site: the four of a published multi-site harmonization study, which states field strength, TE and TR."""
