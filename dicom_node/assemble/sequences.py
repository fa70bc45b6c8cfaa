"""What stands in the sequences of a header, as plain values under their paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from pydicom import DataElement, Dataset
from pydicom.tag import BaseTag

from dicom_node.assemble.elements import UNREADABLE
from dicom_node.domain.facts import FactValue, Scalar

MAX_DEPTH, MAX_ITEMS, MAX_VALUES = 4, 32, 1000
"""What is looked at: sequences in sequences, items of each, and values in all; a header may hold millions."""


def nested(header: Dataset, plain: Callable[[DataElement], FactValue | None]) -> dict[str, FactValue]:
    """Return the elements inside the sequences of a data set by path, as ``AnatomicRegionSequence.CodeMeaning``.

    Parameters
    ----------
    plain
        Makes text or numbers of an element; None where it has none.

    Returns
    -------
    Path to value; what several items hold is a tuple, each value once.
    """
    found: defaultdict[str, dict[Scalar, None]] = defaultdict(dict)
    pending = [("", header, 0)]
    seen = 0
    while pending and seen < MAX_VALUES:
        prefix, dataset, depth = pending.pop(0)
        for tag in dataset.keys():  # noqa: SIM118 - a Dataset iterates over elements
            try:
                if depth == 0 and dataset.get_item(tag).VR not in ("SQ", None):
                    continue
                element = dataset[tag]
                if element.VR == "SQ" and depth < MAX_DEPTH:
                    pending += [(prefix + named(element) + ".", item, depth + 1) for item in element.value[:MAX_ITEMS]]
                value = plain(element) if depth else None
            except UNREADABLE:
                continue  # an element that cannot be read is a missing one to the rules
            if value is not None:
                seen += 1
                found[prefix + named(element)] |= dict.fromkeys(value if isinstance(value, tuple) else (value,))
    return {path: tuple(values) if len(values) > 1 else next(iter(values)) for path, values in found.items()}


def named(element: DataElement) -> str:
    """Return the keyword of an element, or ``(gggg,eeee)`` where it has none."""
    tag: BaseTag = element.tag
    return element.keyword or f"({tag.group:04x},{tag.element:04x})"
