"""SeriesDescription: what a radiologist reads in the list of series."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.charset import decode_bytes, python_encoding
from pydicom.valuerep import TEXT_VR_DELIMS

from dicom_node.domain.provenance import Provenance
from dicom_node.encode.tasks import TASKS
from dicom_node.encode.verbatim import LO_LENGTH, text

ESCAPE = b"\x1b"  # begins a code extension, PS3.5 6.1.2.5
ASCII_ONLY = ([""], ["ISO_IR 6"])  # where pydicom would decode Latin-1


def describe_series(source: Dataset, provenance: Provenance) -> str:
    """Return `RESEARCH <task> <target or model> [CHECK] | <source's description>`, at most 64 characters.

    Viewers rarely show ContentQualification and never DerivationDescription, so the two things that a reader must
    know stand first: that it is research, and that the output gate warned. The source's part is left out where its
    character set does not decode it.

    Raises
    ------
    KeyError
        When `TASKS` does not hold the provenance's task.
    """
    check = " CHECK" if provenance.warnings else ""
    what = f"{TASKS[provenance.task].label} {provenance.target or provenance.model}"
    head = f"RESEARCH {what}"[: LO_LENGTH - len(check)] + check
    name = _decoded(text(source, "SeriesDescription"), text(source, "SpecificCharacterSet").decode("ascii", "replace"))
    words = (name or "").replace("\\", " ").split()  # no backslash may stand in a Long String, no line break
    return f"{head} | {' '.join(words)}"[:LO_LENGTH].rstrip() if words else head


def _decoded(value: bytes, character_set: str) -> str | None:
    """Decode a Long String; None when its character set is unknown, or is not that of the bytes."""
    if value.isascii() and ESCAPE not in value:
        return value.decode()
    terms = [term.strip() for term in character_set.split("\\")]
    if terms in ASCII_ONLY or not all(term in python_encoding for term in terms):
        return None
    codecs = [python_encoding[term] for term in terms]
    if len(codecs) > 1:
        decoded = decode_bytes(value, codecs, TEXT_VR_DELIMS)
        return None if "\ufffd" in decoded or ESCAPE.decode() in decoded else decoded
    try:
        return value.decode(codecs[0])
    except UnicodeError:
        return None
