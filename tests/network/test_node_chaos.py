"""kill -9 at random moments while senders send and the PACS has its moods: what was acknowledged arrives, once.

`make chaos KILLS=200` runs it for longer.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from made_series import made_series
from node_process import NodeProcess
from oracle import derived_in, spooled
from pydicom import Dataset
from pynetdicom import AE
from scripted_pacs import Answer, abort, running_pacs
from until import until

from dicom_node.dimse.library import prepare_library

pytestmark = pytest.mark.network

KILLS = int(os.environ.get("DICOM_NODE_CHAOS_KILLS", "3"))
SEED = int(os.environ.get("DICOM_NODE_CHAOS_SEED", "1"))
SENDERS, SLICES = 2, 7
LIMIT_S = 600.0
"""Only ends a test that would hang."""


class Chaos:
    """A node that is killed, and senders that begin their series one after the other, spread over its lives."""

    def __init__(self, node: NodeProcess, chance: random.Random) -> None:
        self.node = node
        self.chance = chance
        self.kills = 0
        self.over = False
        self.acknowledged: list[str] = []

    def kill_and_restart(self) -> None:
        threading.Event().wait(self.chance.uniform(0.0, 1.5))
        self.node.kill()
        self.node.__enter__()
        self.kills += 1

    def send_all(self, series: Sequence[Sequence[Dataset]]) -> None:
        """Send until everything is acknowledged, as a modality does: what was not is sent again."""
        for number, instances in enumerate(series):
            until(lambda number=number: self.over or self.kills >= min(number, KILLS), limit_s=LIMIT_S)  # type: ignore[misc]
            left = list(instances)
            while left and not self.over:
                done = self._sent(left)
                self.acknowledged += done
                left = [ds for ds in left if ds.SOPInstanceUID not in done]
                threading.Event().wait(0.05 if left else 0)

    def _sent(self, instances: Sequence[Dataset]) -> list[str]:
        entity = AE(ae_title="SCANNER")
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
        entity.add_requested_context(instances[0].SOPClassUID, instances[0].file_meta.TransferSyntaxUID)
        association = entity.associate("127.0.0.1", self.node.ports("dicom")[-1], ae_title="HARMONIZE")
        done = []
        for ds in instances:
            if not association.is_established:
                break
            try:
                status = association.send_c_store(ds)
            except RuntimeError:  # lost between the look and the sending
                break
            if status.get("Status") == 0x0000:
                done.append(str(ds.SOPInstanceUID))
        if association.is_established:
            association.release()
        return done


def small_series(chance: random.Random) -> list[Dataset]:
    """Return a series in an order in which InstanceNumber has a hole until all of it has come.

    So that no pause, however long the machine makes it, lets a part of it look whole.
    """
    first, *middle, last = made_series()[14 : 14 + SLICES]
    chance.shuffle(middle)
    return [first, last, *middle]


def moods(chance: random.Random) -> list[Answer]:
    """Return what the PACS answers; when they are used up, it takes everything."""
    kinds: list[Answer] = [0x0000, 0xA700, abort]
    return chance.choices(kinds, weights=[95, 3, 2], k=30 * SLICES * (KILLS + 1))


def test_whatever_the_moment_of_a_kill_every_series_arrives_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_library()  # pynetdicom leaves sockets open whose peer was killed
    monkeypatch.setenv("DICOM_NODE__COMPLETENESS__SILENCE_S", str(LIMIT_S))
    monkeypatch.setenv("DICOM_NODE__INFER__ATTEMPTS", "1000")  # it is not the jobs that bring the node down here
    chance = random.Random(SEED)
    queues = [[small_series(chance) for _ in range(KILLS + 1)] for _ in range(SENDERS)]
    series = {queue[0].SeriesInstanceUID: queue for each in queues for queue in each}
    with (
        running_pacs(*moods(chance)) as pacs,
        NodeProcess(tmp_path / "node", pacs.port) as node,
        ThreadPoolExecutor(SENDERS) as senders,
    ):
        chaos = Chaos(node, chance)
        sending = [senders.submit(chaos.send_all, queue) for queue in queues]
        try:
            for _ in range(KILLS):
                chaos.kill_and_restart()
            for each in sending:
                each.result(timeout=LIMIT_S)
        finally:
            chaos.over = True
        until(lambda: Counter(node.states()) == {"DELIVERED": len(series)}, limit_s=LIMIT_S)
        jobs = node.jobs()
    assert set(chaos.acknowledged) == {str(ds.SOPInstanceUID) for each in series.values() for ds in each}
    assert spooled(node) == set(chaos.acknowledged)
    assert {job.series_uid for job in jobs} == set(series)
    assert derived_in(pacs) == {job.derived_series_uid: SLICES for job in jobs}
