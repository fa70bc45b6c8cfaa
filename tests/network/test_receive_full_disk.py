"""Faults 41 and 42: a disk that is full, read-only or broken is answered with A700 and never with a false success."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from made_instances import made_instance
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE

from dicom_node.node import Node
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.settings import Console, Listen, Retention, Settings
from dicom_node.spool.instances import Spool, folder_name

pytestmark = pytest.mark.network

MORE_STEPS_THAN_ONE_INSTANCE_HAS = 20


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class Steps:
    """Counts what is done to the disk, and has one step fail."""

    def __init__(self) -> None:
        self.fails_at = 0
        self.error = 0
        self.count = 0

    def before(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **how: Any) -> Any:
            self.count += 1
            if self.count == self.fails_at:
                raise OSError(self.error, os.strerror(self.error))
            return real(*arguments, **how)

        return step


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    counted = Steps()
    for place, name in ((os, "open"), (os, "fsync"), (os, "fdatasync"), (os, "link"), (os, "rename")):
        monkeypatch.setattr(place, name, counted.before(getattr(place, name)))
    return counted


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def sender(spool: Spool) -> Iterator[Any]:
    receiver = Receiver(spool, Policy("HARMONIZE"))
    receiver.start()
    association = associate(receiver.port)
    yield association
    association.release()
    threading.Thread(target=receiver.stop, args=(0,)).start()


def associate(port: int) -> Any:
    entity = AE("MR1")
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    return entity.associate("127.0.0.1", port, ae_title="HARMONIZE")


def store(association: Any, dataset: Dataset) -> int:
    return int(association.send_c_store(dataset).Status)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errno.ENOSPC, id="fault_41_full"),
        pytest.param(errno.EIO, id="fault_42_broken"),
        pytest.param(errno.EROFS, id="fault_42_read_only"),
    ],
)
def test_a_step_that_fails_is_answered_with_a700_and_the_same_instance_is_taken_afterwards(
    sender: Any, spool: Spool, steps: Steps, error: int
) -> None:
    steps.error = error
    failed = 0
    for step in range(1, MORE_STEPS_THAN_ONE_INSTANCE_HAS):
        dataset = made_instance()
        steps.count, steps.fails_at = 0, step
        status = store(sender, dataset)
        reached = steps.count >= step
        steps.fails_at = 0
        if not reached:
            break
        failed += 1
        assert status == 0xA700, f"step {step}"
        assert store(sender, dataset) == 0x0000, f"step {step}"
        (path,) = spool.instances(folder_name(dataset.SeriesInstanceUID))
        assert path.read_bytes().endswith(dataset.PixelData)
        assert list(spool._incoming.iterdir()) == [], f"step {step}"
    assert 4 <= failed < MORE_STEPS_THAN_ONE_INSTANCE_HAS - 1  # the sweep came to its end


def test_fault_41_below_the_watermark_the_node_refuses_says_so_and_recovers_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"gib": 1.0}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, int(free["gib"] * (1 << 30))))
    settings = Settings(
        data_dir=tmp_path, listen=Listen(port=0), console=Console(port=0), retention=Retention(min_free_gib=2)
    )
    node = Node(settings, "receiver")
    node.start()
    try:
        association, dataset = associate(node.addresses["dicom"]), made_instance()
        assert store(association, dataset) == 0xA700
        assert node.problems() == ["disk: 1.0 GiB are free, 2 are needed: nothing is taken"]
        free["gib"] = 3.0
        assert store(association, dataset) == 0x0000
        assert node.problems() == []
        association.release()
    finally:
        node.stop()
        for claim in node._claims:  # which the process holds to its end
            claim.close()
