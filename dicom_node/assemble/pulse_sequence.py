"""The kind of pulse sequence that made an MR stack."""

from __future__ import annotations

from collections.abc import Mapping

from dicom_node.domain.facts import FactValue


def sequence_family(header: Mapping[str, FactValue]) -> str | None:
    """Return SE, TSE, GRE, GRASE or EPI, None where the header does not say.

    Parameters
    ----------
    header
        `Facts.header` of the stack. ScanningSequence (0018,0020) has the terms SE, IR, GR, EP and RM (PS3.3
        C.8.3.1.1.2): IR prepares what the others read out, and RM, research mode, says nothing. Multi-frame images have
        it derived from Echo Pulse Sequence (0018,9008).
    """
    value = header.get("ScanningSequence", ())
    kinds = set(value if isinstance(value, tuple) else (value,))
    if "EP" in kinds:
        return "EPI"
    if "GR" in kinds:
        return "GRASE" if "SE" in kinds else "GRE"
    if "SE" in kinds or kinds == {"IR"}:  # inversion recovery alone is the classic one, read out by a spin echo
        return "TSE" if _echo_train(header) > 1 else "SE"
    return None


def _echo_train(header: Mapping[str, FactValue]) -> float:
    length = header.get("EchoTrainLength")
    return float(length) if isinstance(length, int | float) else 1.0
