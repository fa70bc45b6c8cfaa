"""What CT shows of the tissues of a head: Hounsfield units, how they spread, and where the values come from."""

from __future__ import annotations

import numpy as np

from inference.ct.hounsfield import AIR_HU
from inference.volume import Float32Array
from training.simulate.shapes import smooth_field
from training.simulate.tissues import Tissue

_BRAIN = "Prokop 2003, Spiral and Multislice CT (in a quotation): white matter 20-30, grey matter 37-45"
_CORTEX = (
    "between 1323 (mean through the temporal squama, nearly all compact bone: post-mortem CT of 604 people) and "
    "1900, the upper end in reference tables"
)
_SPONGY = (
    "frontal cancellous bone: under 610 in osteoporosis, mean 515 there (899 people, in an abstract); tables of other "
    "cancellous bone 300-400"
)
_TABLES = "reference tables: fat -120 to -50, muscle 10-60, unclotted blood 13-50, water-like fluid 0-15"
_DENTINE = "Reshetnikov et al. 2024, JMIRx Med 5:e56759: dentine 1323-1899, enamel 2071-2955"

_MEASURED: dict[Tissue, tuple[float, float, float, str]] = {
    Tissue.AIR: (AIR_HU, 0, 0, "by definition"),
    Tissue.SKIN: (30, 20, 0, "invented: between fat and muscle"),
    Tissue.FAT: (-98, 18, 0, _TABLES),
    Tissue.MUSCLE: (52, 14, 0, _TABLES),
    Tissue.CORTICAL_BONE: (1450, 300, 0.10, _CORTEX),
    Tissue.MARROW: (520, 330, 0.22, _SPONGY),
    Tissue.CSF: (8, 2, 0, _TABLES),
    Tissue.GREY_MATTER: (39, 4, 0, _BRAIN),
    Tissue.WHITE_MATTER: (28, 3, 0, _BRAIN),
    Tissue.STRIATUM: (38, 3, 0, _BRAIN),
    Tissue.PALLIDUM: (38, 4, 0, "invented: as grey matter"),
    Tissue.THALAMUS: (36, 3, 0, "invented: between white and grey matter"),
    Tissue.CEREBELLAR_CORTEX: (37, 4, 0, "invented: folia thinner than a voxel"),
    Tissue.BRAIN_STEM: (30, 3, 0, "invented: as white matter"),
    Tissue.VITREOUS: (8, 2, 0, "invented: as CSF"),
    Tissue.LENS: (80, 5, 0, "invented"),
    Tissue.MUCOSA: (38, 15, 0, "invented: vascular soft tissue"),
    Tissue.TOOTH: (2050, 500, 0.05, _DENTINE),
    Tissue.BLOOD: (45, 6, 0, _TABLES),
    Tissue.LESION: (26, 3, 0, "invented: a little under white matter"),
}  # fmt: skip
"""Tissue -> mean (HU), amount of texture (HU; its standard deviation is `SPREAD` of it), standard deviation of the
log of the mean from person to person, and where the mean comes from. Textures and spreads are invented, but for those
of bone: the peak of the skull's histogram falls from 1164 (SD 143) HU in women of 20 to 39 years to 629 (119) HU in
those over 70 (Yamada et al. 1982, J Am Geriatr Soc 30, abstract), and they are between.
"""

_SCALES_MM = ((20.0, 0.7), (5.0, 0.7))
"""Size and share of the two textures; squares of the shares sum to about 1. Invented."""


def hounsfield(seed: int) -> tuple[Float32Array, Float32Array]:
    """Return mean and amount of texture of each tissue in one person, HU; shape (tissues,) each.

    Parameters
    ----------
    seed
        Of the head: how dense this person's bone and teeth are comes from it.
    """
    means, texture, spread, _ = zip(*(_MEASURED[tissue] for tissue in Tissue), strict=True)
    factors = np.exp(np.array(spread) * np.random.default_rng([seed, 6]).standard_normal(len(Tissue)))
    return (np.array(means) * factors).astype(np.float32), np.array(texture, np.float32)


def ct_texture(rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: float) -> Float32Array:
    """Return a field of two scales and standard deviation `SPREAD`, drawn anew: where a tissue is denser or less so.

    Parameters
    ----------
    rng
        Its state decides.
    shape, spacing_mm
        Of the cubic voxels that it is wanted on.
    """
    field = np.zeros(shape, np.float32)
    for size_mm, share in _SCALES_MM:
        cells = max(1, round(max(shape) * spacing_mm / size_mm))
        field += np.float32(share) * smooth_field(rng, shape, cells)
    return field


def source(tissue: Tissue) -> str:
    """Return where the mean of a tissue comes from."""
    return _MEASURED[tissue][3]
