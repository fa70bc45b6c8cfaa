"""What the receiver has done, as metrics of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dicom_node.receive.counters import Counts


def receiver_metrics(counts: Counts) -> Iterator[Metric]:
    """Yield the metrics of a receiver; counters begin with 0 at the start of its process."""
    yield GaugeMetricFamily("dicom_node_associations_open", "Associations now", value=counts.associations_open)
    yield CounterMetricFamily(
        "dicom_node_associations_accepted", "Associations that were opened", value=counts.associations_accepted
    )
    yield _by("associations_ended", "How opened associations ended", "outcome", counts.associations_ended)
    yield _by("associations_rejected", "Why associations were not opened", "reason", counts.associations_rejected)
    yield _by("connections_closed", "Why connections came to no association", "reason", counts.connections_closed)
    for outcome, number in counts.instances.items():
        yield CounterMetricFamily(
            f"dicom_node_instances_{outcome.value}", f"Instances answered with success: {outcome.value}", value=number
        )
    refused = {f"{status:04X}": number for status, number in counts.refused.items()}
    yield _by("instances_refused", "Instances answered with a failure", "status", refused)
    yield CounterMetricFamily(
        "dicom_node_received_bytes", "Length of the data sets of stored instances", value=counts.received_bytes
    )


def _by(name: str, says: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"dicom_node_{name}", says, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
