"""What keeps the node from working, and the numbers that say how it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric

from dicom_node.domain.delivery import DeliveryState
from dicom_node.domain.job import JobState
from dicom_node.domain.series import SeriesState

Problem = Callable[[], str | None]

STATES = {"series": SeriesState, "jobs": JobState, "deliveries": DeliveryState}
"""All that are counted: one that nothing is in stands at zero, so that an alarm on it has something to look at."""


class Counts(Protocol):
    """Where the states of series, jobs and deliveries are counted."""

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Return (noun, state) -> count."""
        ...


def problems(checks: Mapping[str, Problem]) -> list[str]:
    """Run the checks and return what they found, each with its name; what a check cannot reach is a problem too."""
    found = []
    for name, check in checks.items():
        try:
            problem = check()
        except OSError as error:
            problem = error.strerror or type(error).__name__
        if problem is not None:
            found.append(f"{name}: {problem}")
    return found


def metrics(
    ledger: Counts,
    *,
    free_bytes: Callable[[], int],
    received: Callable[[], Iterable[Metric]],
    ready: Callable[[], bool],
) -> Iterator[Metric]:
    """Yield the node's metrics as they are now.

    Parameters
    ----------
    ledger
        Counts the states.
    free_bytes
        Of the spool's file system.
    received
        Metrics of the receiver; none in a process that does not receive.
    ready
        As `/readyz` says.
    """
    counts = ledger.counts()
    for noun, states in STATES.items():
        family = GaugeMetricFamily(f"dicom_node_{noun}", f"How many {noun} are in each state", labels=["state"])
        for state in states:
            family.add_metric([state.value], counts.get((noun, state.value), 0))
        yield family
    yield from received()
    yield GaugeMetricFamily("dicom_node_spool_free_bytes", "Free space for received instances", value=free_bytes())
    yield GaugeMetricFamily("dicom_node_ready", "1 when /readyz answers 200", value=float(ready()))
