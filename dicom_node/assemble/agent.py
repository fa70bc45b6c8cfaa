"""Whether a contrast agent was given: what its attributes say, and what people call the series."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydicom import Dataset

from dicom_node.assemble.elements import value_of
from dicom_node.domain.facts import FactValue

_NONE = frozenset({"", "no", "none", "n", "without"})
_AMOUNTS = ("ContrastBolusVolume", "ContrastBolusTotalDose")
_WORDS = r"gd|gad|gado\w*|dotarem|clariscan|contrast\w*|kontrast\w*|km|mdc|ce|c"
_WITHOUT = re.compile(
    r"(?<![a-z])(pre|no|non|not|without|w/?o|sans|ohne|sem|senza|sin|zonder)[ -]*"
    rf"({_WORDS})?(?![a-z])"
)
"""Words that say that none was given, with the word for the agent that may follow; they are struck out first."""
_WITH = re.compile(
    r"(?<![a-z])("
    r"gd|gad|gado\w*|dotarem|clariscan|contrast\w*|kontrast\w*|km|mdc|ce|t1c|inj\w*|"
    r"\+ ?(c|k|km|ce|gd)|c ?\+|post(?![ -]?(op|surg))"
    r")(?![a-z])"
)


def contrast_agent(header: Mapping[str, FactValue]) -> bool:
    """Tell whether the Contrast/Bolus Module (PS3.3 C.7.6.4) or the series' name tells of a contrast agent.

    The module is often left empty by scanners whose injector is no part of them, so names count: SeriesDescription, and
    ProtocolName, which may name a whole examination, only where there is none. In doubt there is an agent: a series
    that is held for it can be released, one that was sent cannot be unseen.

    Parameters
    ----------
    header
        `Facts.header` of the stack.
    """
    if str(header.get("ContrastBolusAgent") or "").lower() not in _NONE or header.get("ContrastBolusIngredient"):
        return True
    amounts = (header.get(keyword) for keyword in _AMOUNTS)
    if any(isinstance(amount, int | float) and amount > 0 for amount in amounts):
        return True
    name = str(header.get("SeriesDescription") or header.get("ProtocolName") or "").lower().replace("_", " ")
    return _WITH.search(_WITHOUT.sub(" ", name)) is not None


def coded_agent(header: Dataset) -> bool:
    """Tell whether agents are named by code, as in multi-frame images (PS3.3 C.7.6.4b), and not said to be unused."""
    return bool(value_of(header, "ContrastBolusAgentSequence")) and (
        value_of(header, "ContrastBolusAgentAdministered") != "NO"
    )
