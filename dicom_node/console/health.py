"""What keeps the node from working, and the numbers that say how it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Problem = Callable[[], str | None]


class Counts(Protocol):
    """Where the states of series, jobs and deliveries are counted."""

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Return (noun, state) -> count."""
        ...


def problems(checks: Mapping[str, Problem]) -> list[str]:
    """Run the checks and return what they found, each with its name."""
    found = []
    for name, check in checks.items():
        problem = check()
        if problem is not None:
            found.append(f"{name}: {problem}")
    return found


def metrics(
    ledger: Counts,
    *,
    free_bytes: Callable[[], int],
    received: Callable[[], Mapping[str, int]],
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
        Counter of the receiver -> its value; empty in a process that does not receive.
    ready
        As `/readyz` says.
    """
    families: dict[str, GaugeMetricFamily] = {}
    for (noun, state), count in ledger.counts().items():
        family = families.setdefault(
            noun, GaugeMetricFamily(f"dicom_node_{noun}", f"How many {noun} are in each state", labels=["state"])
        )
        family.add_metric([state], count)
    yield from families.values()
    for name, value in received().items():
        counter = CounterMetricFamily(f"dicom_node_{name}", f"Since the start: {name.replace('_', ' ')}")
        counter.add_metric([], value)
        yield counter
    yield GaugeMetricFamily("dicom_node_spool_free_bytes", "Free space for received instances", value=free_bytes())
    yield GaugeMetricFamily("dicom_node_ready", "1 when /readyz answers 200", value=float(ready()))
