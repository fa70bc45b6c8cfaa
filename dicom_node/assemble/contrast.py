"""What an MR stack is weighted for: what its name says and what its timing says must not contradict each other."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from dicom_node.domain.facts import FactValue

NAMES: dict[str, str] = {
    "DIFFUSION": r"dwi|dti|dki|dsi|hardi|noddi|diff\w*|e?adc|trace\w*|tensor|b\d{3,4}",
    "PERFUSION": r"perf\w*|dsc|dce|p?c?asl|cbf|cbv|mtt|tmax",
    "SWI": r"swi\w*|swan|swip|venobold|suscept\w*|qsm",
    "ANGIO": r"tof\w*|mra|mrv|ce?mra|angio\w*|venogra\w*|inhance|tricks|twist|pca",
    "FUNCTIONAL": r"bold|r?s?fmri|func\w*|rest|resting\w*|task\w*",
    "FLAIR": r"flair|t2flair|darkfluid|dark fluid|spcir",
    "T1": r"t1|t1w\w*|mt1|t1flair|me?mprage|bravo|i?r?f?spgr|vibe|thrive|lava|tfl3d\d*",
    "T2": r"t2|t2w\w*|t2flair|haste",
    "PD": r"pd|pdw\w*|dp|proton",
}  # fmt: skip
"""Contrast to the whole words (or pairs of words) that name it in SeriesDescription, ProtocolName or the sequence's
name: the names of contrasts, those under which vendors sell their sequences (MPRAGE and TFL of Siemens, BRAVO and
SPGR of GE, THRIVE of Philips), and the prefixes of Siemens' SequenceName."""

UNWEIGHTED = r"map|maps|t[12]map|r2star|fa|t2 ?star|fieldmap|phase|b0map|mp2rage\w*|subtract\w*|localizer|scout|survey"
"""Words that take a series out of every class: computed maps, T2*, which is neither T2 nor SWI, and MP2RAGE, whose two
inversions, their ratio and its T1 map all bear the name of one protocol."""

_COMPUTED = frozenset({"MAP", "SUB", "SUBTRACTION", "FAT"})
"""Words of ImageType that say that the pixels are not those of one acquisition, or its fat alone (C.8.13.1.1.1)."""

DECLARED: dict[str, str] = {
    "T1": "T1", "T2": "T2", "PROTON_DENSITY": "PD", "FLUID_ATTENUATED": "FLAIR", "DIFFUSION": "DIFFUSION",
    "PERFUSION": "PERFUSION", "TOF": "ANGIO", "FLOW_ENCODED": "ANGIO", "T2_STAR": "T2_STAR", "STIR": "STIR",
}  # fmt: skip
"""AcquisitionContrast (0008,9209) of enhanced MR (PS3.3 C.8.13.3.1) to contrast."""

ALLOWED_PHYSICS: dict[str, frozenset[str]] = {
    "DIFFUSION": frozenset({"DIFFUSION", "T2"}),
    "PERFUSION": frozenset({"PERFUSION", "T1", "PD", "T2_STAR"}),
    "SWI": frozenset({"T1", "PD", "T2_STAR"}),
    "ANGIO": frozenset({"ANGIO", "T1", "PD"}),
    "FUNCTIONAL": frozenset({"T2_STAR"}),
    "FLAIR": frozenset({"FLAIR"}),
    "T1": frozenset({"T1"}),
    "T2": frozenset({"T2"}),
    "PD": frozenset({"PD"}),
}
"""What the timing may say under each name. The special contrasts come from preparations that TE and TR do not show:
the b=0 volume of a diffusion series is T2-weighted by its timing."""

_SPECIAL = ("DIFFUSION", "PERFUSION", "SWI", "ANGIO", "FUNCTIONAL")

# Spin echo, ms: McRobbie, Moore, Graves, Prince, "MRI from Picture to Proton", chapter 3: short TR below 750, long
# above 1500; short TE below 40, long above 75. Between them the timing does not settle the weighting.
_SHORT_TR, _LONG_TR, _SHORT_TE, _LONG_TE = 750.0, 1500.0, 40.0, 75.0
# Inversion recovery nulls a tissue at TI = T1 ln 2 for long TR: fluid (T1 near 4 s) at 1.7 to 2.8 s, fat below 0.25 s.
_FLUID_NULL_TI, _FAT_NULL_TI = 1500.0, 300.0
# Gradient echo: T1-weighted where the flip angle is above the Ernst angle of brain (T1 near 1 s), PD well below it;
# the echo must be early for T2* not to matter.
_BRAIN_T1, _EARLY_TE, _LATE_TE = 1000.0, 10.0, 15.0


def contrast(header: Mapping[str, FactValue]) -> str | None:
    """Return the weighting of a stack, one of the keys of `NAMES`; None where it is not settled.

    Parameters
    ----------
    header
        `Facts.header` of the stack; times in ms, angles in degrees, as DICOM has them.
    """
    if header.get("Modality") != "MR" or _is_not_magnitude(header):
        return None
    named = named_contrasts(header)
    shown = timing_contrast(header)
    if named is None:
        return None
    if not named:
        return shown if shown in NAMES else None
    if len(named) > 1:
        return shown if shown in named else None
    (name,) = named
    return name if shown is None or shown in ALLOWED_PHYSICS[name] else None


def named_contrasts(header: Mapping[str, FactValue]) -> frozenset[str] | None:
    """Return the contrasts that the first telling one of the names gives; None when it says that it is a map.

    SeriesDescription speaks before ProtocolName, which may name a whole examination, and that before the sequence.
    """
    for keyword in ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName"):
        words = re.findall(r"[^\W_]+", str(header.get(keyword) or "").lower().replace("t2*", "t2star"))
        tokens = words + [f"{a} {b}" for a, b in pairwise(words)]
        if any(re.fullmatch(UNWEIGHTED, token) for token in tokens):
            return None
        found = {name for name, pattern in NAMES.items() if any(re.fullmatch(pattern, token) for token in tokens)}
        if found:
            return frozenset(_narrowed(found))
    return frozenset()


def _narrowed(found: set[str]) -> set[str]:
    """Let a preparation outweigh the weighting it stands beside: "T2 FLAIR" is FLAIR, "SWI T2" is SWI."""
    if special := found.intersection(_SPECIAL):
        return special
    return found - {"T2"} if "FLAIR" in found else found


def timing_contrast(header: Mapping[str, FactValue]) -> str | None:
    """Return what the sequence's physics says, ``T2_STAR`` and ``STIR`` among it; None where it does not settle it."""
    declared = DECLARED.get(str(header.get("AcquisitionContrast")))
    if declared:
        return declared
    if header.get("AngioFlag") == "Y":
        return "ANGIO"
    if (_number(header, "DiffusionBValue") or 0) > 0:
        return "DIFFUSION"
    kinds = set(_words(header, "ScanningSequence"))
    te, tr = _number(header, "EchoTime"), _number(header, "RepetitionTime")
    if "EP" in kinds or not kinds or te is None or tr is None:
        return None  # an echo-planar train is read out for diffusion, perfusion and function alike
    inversion = _number(header, "InversionTime") or 0.0
    if inversion > 0 or "IR" in kinds:
        return _inversion_recovery(te, inversion, kinds)
    if "GR" in kinds:
        return _gradient_echo(header, te, tr)
    return _spin_echo(te, tr) if "SE" in kinds else None


def _inversion_recovery(te: float, inversion: float, kinds: set[str]) -> str | None:
    if inversion >= _FLUID_NULL_TI:
        return "FLAIR" if te >= _LONG_TE else None
    if "SE" in kinds and 0 < inversion <= _FAT_NULL_TI:
        return "STIR"
    return "T1" if te < _SHORT_TE else None


def _gradient_echo(header: Mapping[str, FactValue], te: float, tr: float) -> str | None:
    flip = _number(header, "FlipAngle")
    variants = set(_words(header, "SequenceVariant"))
    balanced = "SS" in variants and "SP" not in variants and tr < 20 and te > tr / 3
    if te > _LATE_TE:
        return "T2_STAR"
    if flip is None or te > _EARLY_TE or balanced:
        return None
    ernst = math.degrees(math.acos(math.exp(-tr / _BRAIN_T1)))
    if flip > ernst:
        return "T1"
    return "PD" if flip < ernst / 2 and "MP" not in variants else None


def _spin_echo(te: float, tr: float) -> str | None:
    table: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("T1", lambda: tr < _SHORT_TR and te < _SHORT_TE),
        ("PD", lambda: tr > _LONG_TR and te < _SHORT_TE),
        ("T2", lambda: tr > _LONG_TR and te > _LONG_TE),
    )
    return next((name for name, holds in table if holds()), None)


def _is_not_magnitude(header: Mapping[str, FactValue]) -> bool:
    """Phase, real, imaginary, fat and computed images have the timing of their magnitude but not its contrast.

    Told by ImageType (PS3.3 C.8.3.1.1.1) and, by GE, in Image Type (real, imaginary, phase, magnitude) (0043,xx2F).
    """
    kinds = {*_words(header, "ImageType")[2:], *_words(header, "ComplexImageComponent")}
    if kinds & {"P", "R", "I", "F", "PHASE", "REAL", "IMAGINARY"}:
        return True
    if header.get("(0043,0010)") == "GEMS_PARM_01" and header.get("(0043,102f)") in (1, 2, 3):
        return True
    return not _COMPUTED.isdisjoint(word for kind in kinds for word in re.split(r"[^A-Z0-9]+", kind.upper()))


def _words(header: Mapping[str, FactValue], keyword: str) -> list[str]:
    value = header.get(keyword, ())
    return [str(one) for one in (value if isinstance(value, tuple) else (value,))]


def _number(header: Mapping[str, FactValue], keyword: str) -> float | None:
    value = header.get(keyword)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
