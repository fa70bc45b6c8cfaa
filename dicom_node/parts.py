"""What a pipeline is built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dicom_node.assemble.archive_counts import ArchiveCounts
from dicom_node.assemble.collector import Collector
from dicom_node.domain.ports import Clock, Destination, Executor, Performed
from dicom_node.route.live import LiveRules
from dicom_node.settings import Settings
from dicom_node.spool.instances import Spool
from dicom_node.spool.ledger import Ledger
from dicom_node.spool.results import Results
from inference.registry import Registry


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that the stages need of each other; `app.py` chooses it.

    Attributes
    ----------
    destination
        Makes a destination of its settings in a rule's snapshot.
    serial_number
        Of this node, for the headers of what it makes.
    performed
        What scanners say that they made; None where none of them does.
    archive_counts
        What the PACS counts, which the collector weighs; None where none is asked.
    """

    spool: Spool
    results: Results
    ledger: Ledger
    collector: Collector
    rules: LiveRules
    registry: Registry
    executor: Executor
    destination: Callable[[Mapping[str, Any]], Destination]
    clock: Clock
    settings: Settings
    serial_number: str
    performed: Performed | None = None
    archive_counts: ArchiveCounts | None = None
