"""Every durable step of a series' way, one after the other: the node ends there, or the step cannot be done."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copytree

import pytest
from fake_clock import FakeClock
from harness import Harness
from made_series import made_series
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from dicom_node.domain.job import JobState

SLICES = 7


class Killed(BaseException):
    """The node ends here."""


class Steps:
    """Counts what is done to the disk and the ledger, and has one step raise instead."""

    def __init__(self, fails_at: int, of_files: BaseException, of_ledger: BaseException) -> None:
        self.count = 0
        self._fails_at = fails_at
        self._of_files, self._of_ledger = of_files, of_ledger

    def file_step(self) -> None:
        self._step(self._of_files)

    def ledger_step(self, _connection: object) -> None:
        self._step(self._of_ledger)

    def _step(self, error: BaseException) -> None:
        self.count += 1
        if self.count == self._fails_at:
            raise error


@contextmanager
def watched(node: Harness, steps: Steps) -> Iterator[None]:
    engine = node.ledger._engine
    with pytest.MonkeyPatch.context() as patch:
        for place, name in ((os, "fsync"), (os, "link"), (Path, "rename"), (Path, "rmdir")):
            patch.setattr(place, name, after(steps.file_step, getattr(place, name)))
        event.listen(engine, "commit", steps.ledger_step)
        try:
            yield
        finally:
            event.remove(engine, "commit", steps.ledger_step)


def after(first: Callable[[], None], real: Callable[..., object]) -> Callable[..., object]:
    def both(*args: object, **kwargs: object) -> object:
        first()
        return real(*args, **kwargs)

    return both


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a node that has received a series, and done nothing more."""
    node = Harness(tmp_path_factory.mktemp("received"), FakeClock())
    node.receive(made_series()[14 : 14 + SLICES])
    node.ledger.close()
    return node.folder


def fresh(received: Path, folder: Path) -> Harness:
    return Harness(Path(copytree(received, folder)), FakeClock())


def steps_of_a_series(node: Harness) -> int:
    steps = Steps(-1, Killed(), Killed())
    with watched(node, steps):
        node.run_all()
    assert node.job.state is JobState.DELIVERED
    return steps.count


def assert_delivered_once(node: Harness) -> None:
    assert (node.series.revision, node.job.state) == (1, JobState.DELIVERED)
    assert node.pacs["PACS"].series() == {node.job.derived_series_uid: SLICES}
    assert list((node.folder / "derived").glob("*.part")) == []


def test_a_node_that_ends_before_any_durable_step_brings_the_series_to_its_end_after_the_next_start(
    tmp_path: Path, received: Path
) -> None:
    count = steps_of_a_series(fresh(received, tmp_path / "whole"))
    assert count > SLICES + 10
    for step in range(1, count + 1):
        node = fresh(received, tmp_path / str(step))
        with watched(node, Steps(step, Killed(), Killed())), pytest.raises(Killed):
            node.run_all()
        node.start()
        node.run_all()
        assert_delivered_once(node)


def test_a_durable_step_that_cannot_be_done_just_then_is_done_later_without_a_restart(
    tmp_path: Path, received: Path
) -> None:
    for step in range(1, steps_of_a_series(fresh(received, tmp_path / "whole")) + 1):
        node = fresh(received, tmp_path / str(step))
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        locked = OperationalError("COMMIT", {}, Exception("database is locked"))
        with watched(node, Steps(step, full, locked)):
            for _ in range(3):
                with suppress(OperationalError):  # as the ticks would: the next one comes
                    node.run_all()
                node.clock.advance(seconds=60)
        assert_delivered_once(node)
