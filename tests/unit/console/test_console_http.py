"""Health, readiness and metrics, asked over HTTP."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from dicom_node.console import http
from dicom_node.console.health import metrics, problems
from dicom_node.console.http import HttpServer, console
from dicom_node.console.receiver_metrics import receiver_metrics
from dicom_node.domain.delivery import DeliveryState
from dicom_node.domain.instance import Stored
from dicom_node.domain.job import JobState
from dicom_node.domain.series import SeriesState
from dicom_node.receive.counters import CLOSED, ENDINGS, TLS, Counters
from dicom_node.receive.policy import REJECTIONS, TOO_MANY

pytestmark = pytest.mark.network


class Node:
    """What the console asks of a node, as the test wants it."""

    def __init__(self) -> None:
        self.disk: str | None = None
        self.error: Exception | None = None
        self.counted: dict[tuple[str, str], int] = {}
        self.counters = Counters()

    def problems(self) -> list[str]:
        return problems({"disk": self._disk, "ledger": lambda: None})

    def _disk(self) -> str | None:
        if self.error is not None:
            raise self.error
        return self.disk

    def counts(self) -> Mapping[tuple[str, str], int]:
        return self.counted

    def server(self) -> HttpServer:
        app = console(
            self.problems,
            lambda: list(
                metrics(
                    self,
                    free_bytes=lambda: 4096,
                    received=lambda: receiver_metrics(self.counters.snapshot()),
                    ready=lambda: not self.problems(),
                )
            ),
        )
        return HttpServer(app, host="127.0.0.1", port=0)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def client(node: Node) -> Iterator[httpx.Client]:
    server = node.server()
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client
    server.stop()


def samples(client: httpx.Client) -> dict[tuple[str, str], float]:
    """Return (metric, value of its label) -> value, as Prometheus reads them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == http.PROMETHEUS_TEXT
    families = text_string_to_metric_families(answer.text)
    return {(s.name, "".join(s.labels.values())): s.value for family in families for s in family.samples}


def test_a_living_process_says_so_even_when_it_cannot_work(node: Node, client: httpx.Client) -> None:
    node.disk = "full"
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_readiness_comes_and_goes_with_its_reasons(node: Node, client: httpx.Client) -> None:
    assert client.get("/readyz").json() == {"status": "ready", "reasons": []}
    node.disk = "1.0 GiB are free, 5 are needed: nothing is taken"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "reasons": [f"disk: {node.disk}"]}
    node.disk = None
    assert client.get("/readyz").status_code == 200


def test_a_disk_that_is_gone_is_a_reason_and_no_failure(node: Node, client: httpx.Client) -> None:
    node.error = FileNotFoundError(2, "No such file or directory", "/spool")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["disk: No such file or directory"])


def test_a_check_that_breaks_is_logged_without_its_message(node: Node, client: httpx.Client) -> None:
    node.error = ValueError("DOE^JANE")
    with structlog.testing.capture_logs() as logs:
        answer = client.get("/readyz")
    assert answer.status_code == 500
    (logged,) = logs
    assert logged["event"] == "http_failed"
    assert logged["where"] == "/readyz"
    assert logged["error"].startswith("ValueError at test_console_http.py:")
    assert "DOE" not in f"{logs}{answer.text}"


def test_every_state_is_counted_also_those_that_nothing_is_in(node: Node, client: httpx.Client) -> None:
    node.counted = {("jobs", "FAILED"): 2, ("series", "HELD"): 1}
    found = samples(client)
    for noun, states in (("series", SeriesState), ("jobs", JobState), ("deliveries", DeliveryState)):
        counted = {state: found[f"dicom_node_{noun}", state.value] for state in states}
        assert counted == {state: node.counted.get((noun, state.value), 0) for state in states}


def test_metrics_tell_space_readiness_and_what_was_received(node: Node, client: httpx.Client) -> None:
    node.counters.stored(Stored.NEW, 512)
    node.counters.refused(0xA700)
    found = samples(client)
    assert found["dicom_node_spool_free_bytes", ""] == 4096
    assert found["dicom_node_instances_new_total", ""] == 1
    assert found["dicom_node_instances_conflict_total", ""] == 0
    assert found["dicom_node_instances_refused_total", "A700"] == 1
    assert found["dicom_node_received_bytes_total", ""] == 512
    assert found["dicom_node_ready", ""] == 1
    node.disk = "full"
    assert samples(client)["dicom_node_ready", ""] == 0


def test_metrics_tell_of_associations_how_they_ended_and_why_they_were_rejected(
    node: Node, client: httpx.Client
) -> None:
    for _ in range(3):
        node.counters.accepted()
    node.counters.ended("released")
    node.counters.ended("aborted")
    node.counters.rejected("too many associations")
    node.counters.closed(TLS)
    found = samples(client)
    assert found["dicom_node_associations_accepted_total", ""] == 3
    assert found["dicom_node_associations_open", ""] == 1
    ended = {outcome: found["dicom_node_associations_ended_total", outcome] for outcome in ENDINGS}
    assert ended == {"released": 1, "aborted": 1, "lost": 0}
    rejected = {each.why: found["dicom_node_associations_rejected_total", each.why] for each in REJECTIONS}
    assert rejected == {each.why: each is TOO_MANY for each in REJECTIONS}
    assert [found["dicom_node_connections_closed_total", reason] for reason in CLOSED] == [0, 1, 0]


def test_every_metric_is_in_the_documentation_and_nothing_else(client: httpx.Client) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "metrics.md"
    told = set(re.findall(r"^\| `(dicom_node_\w+)`", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert told == {name for name, _ in samples(client)}


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/healthz/x", "/metrics.php"])
def test_there_is_nothing_else(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(client: httpx.Client, path: str, method: str) -> None:
    assert client.request(method, path).status_code == 405


def test_an_address_that_is_taken_is_an_error_at_once(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError, match="in use"):
        HttpServer(console(node.problems, lambda: []), host="127.0.0.1", port=server.getsockname()[1])


def test_a_server_that_never_began_gives_its_port_back(node: Node) -> None:
    server = node.server()
    server.stop()
    socket.create_server(("127.0.0.1", server.port)).close()


def test_after_the_end_nobody_answers(node: Node) -> None:
    server = node.server()
    server.start()
    address = f"http://127.0.0.1:{server.port}/healthz"
    assert httpx.get(address, trust_env=False).status_code == 200
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)
