"""kill -9 at the worst moments: nothing acknowledged is lost, nothing is derived twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_series import made_series
from node_process import NodeProcess
from oracle import derived_in, spooled
from pydicom import Dataset
from scripted_pacs import ScriptedPacs, running_pacs
from until import until

pytestmark = pytest.mark.network


@contextmanager
def pacs_and_node(folder: Path) -> Iterator[tuple[ScriptedPacs, NodeProcess]]:
    with running_pacs() as pacs, NodeProcess(folder / "node", pacs.port) as node:
        yield pacs, node


def assert_one_derived_series(node: NodeProcess, pacs: ScriptedPacs, series: Sequence[Dataset]) -> None:
    until(lambda: node.states() == ["DELIVERED"], limit_s=60)
    assert derived_in(pacs) == {node.jobs()[0].derived_series_uid: len(series)}


def test_killed_in_mid_series(tmp_path: Path) -> None:
    series = made_series()
    with pacs_and_node(tmp_path) as (pacs, node):
        acknowledged: list[str] = []
        sender = threading.Thread(target=lambda: acknowledged.extend(node.send(series[:30])))
        sender.start()
        until(lambda: len(list((node.folder / "var" / "spool" / "series").rglob("*.dcm"))) >= 10)
        node.kill()
        sender.join()
        assert len(acknowledged) >= 9
        assert set(acknowledged) <= spooled(node)
        with node:
            assert len(node.send(series)) == len(series)
            assert_one_derived_series(node, pacs, series)


def test_killed_in_mid_job(tmp_path: Path) -> None:
    series = made_series()
    with pacs_and_node(tmp_path) as (pacs, node):
        assert len(node.send(series)) == len(series)
        until(lambda: node.states() in (["QUEUED"], ["RUNNING"]))
        node.kill()
        assert node.states() != ["DELIVERED"]
        with node:
            assert_one_derived_series(node, pacs, series)


def test_killed_in_mid_delivery(tmp_path: Path) -> None:
    series = made_series()
    go_on = threading.Event()
    half_way = threading.Event()

    def stop_here(_: object) -> int:
        half_way.set()
        go_on.wait(60)
        return 0x0000

    with running_pacs(*[0x0000] * 20, stop_here) as pacs, NodeProcess(tmp_path / "node", pacs.port) as node:
        node.send(series)
        until(half_way.is_set, limit_s=60)
        assert node.states() == ["DELIVERING"]
        node.kill()
        go_on.set()
        with node:
            assert_one_derived_series(node, pacs, series)


def test_killed_between_completion_and_routing_and_sent_again(tmp_path: Path) -> None:
    series = made_series()
    with pacs_and_node(tmp_path) as (pacs, node):
        node.send(series)
        node.kill()
        with node:
            node.send(series)
            assert_one_derived_series(node, pacs, series)
            node.send(series)
            assert_one_derived_series(node, pacs, series)
