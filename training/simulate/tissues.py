"""Tissues of the head and what they measure: proton density, T1, T2* and T2 at 1.5 T and 3 T."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias

FieldStrength: TypeAlias = Literal["1.5 T", "3 T"]


class Tissue(IntEnum):
    """What a voxel of a `Head` holds."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    CORTICAL_BONE = 4
    MARROW = 5
    CSF = 6
    GREY_MATTER = 7
    WHITE_MATTER = 8
    STRIATUM = 9
    PALLIDUM = 10
    THALAMUS = 11
    CEREBELLAR_CORTEX = 12
    BRAIN_STEM = 13
    VITREOUS = 14
    LENS = 15
    MUCOSA = 16
    TOOTH = 17
    BLOOD = 18
    LESION = 19


@dataclass(frozen=True, slots=True)
class Relaxation:
    """What a tissue shows of itself at one field strength.

    Attributes
    ----------
    proton_density
        Relative to water.
    t1_ms, t2_star_ms
        Longitudinal relaxation time, and transverse one with the field's dephasing, ms.
    t2_ms
        Transverse relaxation time, ms: what spin echoes see.
    """

    proton_density: float
    t1_ms: float
    t2_star_ms: float
    t2_ms: float


_Pair: TypeAlias = tuple[float, float]
_COLUMNS: dict[FieldStrength, int] = {"1.5 T": 0, "3 T": 1}
_WRIGHT = "T1: Wright et al. 2008, MAGMA 21:121; T2*: Peters et al. 2007, Magn Reson Imaging 25:748"
_BRAIN = _WRIGHT + "; T2: Stanisz et al. 2005, Magn Reson Med 54:507"
_BETWEEN = "invented: between the white and grey matter of Wright et al. 2008, Peters et al. 2007, Stanisz et al. 2005"
_STANISZ = "T1: Stanisz et al. 2005, Magn Reson Med 54:507 (not looked up)"
_GOLD = "Gold et al. 2004, AJR 183:343 (not looked up)"
_WATER = (
    "T1: Rooney et al. 2007, Magn Reson Med 57:308 (at any field; not looked up); T2: Piechnik et al. 2009, Magn Reson "
    "Med 61:579; T2* invented: long"
)
_NO_SIGNAL = "Reichert et al. 2005, Magn Reson Imaging 23:611 (not looked up): under 1 ms, dark in every sequence here"
_PLAQUE = "invented: a chronic plaque, nearer to white matter than BrainWeb's (T1 752, T2 237 ms at 1.5 T)"
_MARROW = "invented: fatty marrow (Gold et al. 2004) with red marrow and trabeculae"

_MEASURED: dict[Tissue, tuple[float, _Pair, _Pair, _Pair, str]] = {
    Tissue.AIR: (0.0, (1000, 1000), (1, 1), (1, 1), "no protons"),
    Tissue.SKIN: (0.70, (620, 800), (10, 8), (30, 28), "invented: a fatty dermis"),
    Tissue.FAT: (0.70, (288, 371), (30, 20), (165, 133), f"T1, T2: {_GOLD}; T2* invented"),
    Tissue.MUSCLE: (0.80, (1008, 1412), (32, 25), (35, 32), f"{_STANISZ}; T2: {_GOLD}; T2* invented"),
    Tissue.CORTICAL_BONE: (0.15, (140, 180), (0.5, 0.4), (0.6, 0.5), _NO_SIGNAL),
    Tissue.MARROW: (0.62, (400, 520), (18, 11), (80, 65), _MARROW),
    Tissue.CSF: (1.00, (4300, 4300), (400, 300), (503, 503), _WATER),
    Tissue.GREY_MATTER: (0.82, (1197, 1607), (84.0, 66.0), (95, 99), _BRAIN),
    Tissue.WHITE_MATTER: (0.70, (646, 838), (66.2, 53.2), (72, 69), _BRAIN),
    Tissue.STRIATUM: (0.80, (1096, 1363), (57, 36), (82, 72), f"{_WRIGHT}; caudate and putamen; T2 invented: iron"),
    Tissue.PALLIDUM: (0.74, (780, 1020), (45, 25), (66, 52), _BETWEEN + ", with iron"),
    Tissue.THALAMUS: (0.76, (830, 1110), (64, 50), (80, 76), _BETWEEN),
    Tissue.CEREBELLAR_CORTEX: (
        0.80,
        (1020, 1340),
        (80, 62),
        (90, 90),
        _BETWEEN + ": its folia are thinner than a voxel",
    ),
    Tissue.BRAIN_STEM: (0.74, (745, 993), (66, 53), (74, 78), f"{_STANISZ}, spinal cord; T2* as white matter"),
    Tissue.VITREOUS: (0.98, (4000, 4000), (400, 300), (500, 500), "invented: as CSF"),
    Tissue.LENS: (0.60, (900, 1100), (25, 20), (40, 35), "invented"),
    Tissue.MUCOSA: (0.85, (1000, 1300), (30, 22), (80, 70), "invented: vascular soft tissue"),
    Tissue.TOOTH: (0.05, (500, 600), (0.3, 0.2), (0.4, 0.3), "invented: dark, as cortical bone"),
    Tissue.BLOOD: (0.85, (1441, 1932), (120, 50), (290, 275), _STANISZ + "; inflow is not simulated"),
    Tissue.LESION: (0.82, (1050, 1350), (90, 70), (120, 115), _PLAQUE),
}
"""Tissue -> proton density, T1, T2* and T2 at (1.5 T, 3 T), ms, and where they come from.

Proton densities are those of Tofts (ed.) 2003, Quantitative MRI of the Brain (not looked up), for white matter, grey
matter and CSF, near the water contents 0.65, 0.78 and 0.97 of Gasparovic et al. 2006, Magn Reson Med 55:1219. The
others are invented; that of fat stands for septa, chemical shift and what the pulses spare of it too, so that it is
as bright against white matter as in real MPRAGE images. Fat, muscle and marrow matter: landmarks of a whole head's
histogram lie in them.

"Not looked up": the paper is named for what it is known to hold, but neither it nor a quotation of its numbers was at
hand. The numbers of Wright, Peters, Stanisz (brain) and Piechnik were checked in quotations. Published values scatter
more than any choice among them: T1 of white matter at 3 T from 0.6 to 1.1 s (Assländer 2024, arXiv:2409.05318).
"""


def relaxation(tissue: Tissue, field_strength: FieldStrength) -> Relaxation:
    """Return what a tissue measures at a field strength."""
    density, t1_ms, t2_star_ms, t2_ms, _ = _MEASURED[tissue]
    column = _COLUMNS[field_strength]
    return Relaxation(density, t1_ms[column], t2_star_ms[column], t2_ms[column])


def source(tissue: Tissue) -> str:
    """Return where the values of a tissue come from."""
    return _MEASURED[tissue][4]
