"""A node under senders of all kinds: nothing acknowledged is lost, nothing grows. `make soak` takes ten minutes.

Without SOAK_MINUTES each sender does one round, and only what does not depend on the machine's speed is judged.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from node_process import NodeProcess
from soak_figures import MEMORY_MB, TIMES_LONGER, disk, growths, latencies, table
from soak_senders import KINDS, Site
from soak_watch import Sample, Watch
from until import until

from dicom_node.spool.file_meta import head_length, read_meta

pytestmark = pytest.mark.network

MINUTES = float(os.environ.get("DICOM_NODE_SOAK_MINUTES", "0"))
SEED = int(os.environ.get("DICOM_NODE_SOAK_SEED", "1"))
ROUNDS_AT_LEAST = 2
LOOK_EVERY_S, REST_EVERY_S = 1.0, 20.0
SETTLE_S = 300.0
"""How long the node may take to let go of what its senders left; only ends a test that would hang."""
POOLED_THREADS = 5
"""Started when they are first needed, and kept: four that report on storage commitment, one of the calendar."""
NODE = "commitment: {accept: true, retry_first_s: 0.2, retry_max_s: 1}"


def run(site: Site, *, minutes: float, rounds: int, at_rest: Callable[[], None]) -> None:
    """Let all kinds send for so long, and not less than so many rounds each; now and then, and at the end, all rest."""
    end = time.monotonic() + 60 * minutes

    def send(kind: str) -> None:
        done = 0
        while not site.over.is_set() and (done < rounds or time.monotonic() < end):
            with site.gate.passed():
                KINDS[kind][0](site)
            done += 1

    senders = [kind for kind, (_, count) in KINDS.items() for _ in range(count)]
    with ThreadPoolExecutor(len(senders)) as threads:
        sending = {threads.submit(send, kind) for kind in senders}
        try:
            while sending:
                done, sending = wait(sending, timeout=REST_EVERY_S, return_when=FIRST_EXCEPTION)
                for each in done:
                    each.result()
                with site.gate.closed():
                    at_rest()
        finally:
            site.over.set()  # where one failed, the others need not go on


def spooled(node: NodeProcess) -> Iterator[tuple[str, bytes]]:
    """Yield the SOPInstanceUID of each file, and the SHA-256 of its data set."""
    for path in (node.folder / "var" / "spool" / "series").rglob("*.dcm"):
        meta = read_meta(path)
        assert meta is not None
        data_set = path.read_bytes()[head_length(meta) :]
        yield str(meta.MediaStorageSOPInstanceUID), hashlib.sha256(data_set).digest()


def is_as_before(now: Sample, before: Sample) -> bool:
    return now.threads <= before.threads + POOLED_THREADS and now.files <= before.files


def test_senders_of_all_kinds_at_once_lose_nothing_and_make_nothing_grow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with NodeProcess(tmp_path / "node", 1, more=NODE, when="{Modality: CT}") as node:
        port = node.ports("dicom")[-1]
        warm, site = Site(port, SEED, haste=10), Site(port, SEED + 1, haste=1 if MINUTES else 10)
        with Watch(node.process.pid, tmp_path / "watch", every_s=LOOK_EVERY_S) as watch:
            before, rests = watch.look(), []

            def at_rest() -> None:
                until(lambda: is_as_before(watch.look(), before), limit_s=SETTLE_S)
                rests.append(watch.look())

            run(warm, minutes=0, rounds=1, at_rest=at_rest)
            run(site, minutes=MINUTES, rounds=ROUNDS_AT_LEAST, at_rest=at_rest)
        held = dict(spooled(node))
        until(lambda: node.get("/readyz")[0] == 200, limit_s=SETTLE_S)  # not while the last series are worked on
    assert held == warm.account.acknowledged | site.account.acknowledged
    if MINUTES:
        with capsys.disabled():
            print(f"\n{site.account.summary}\n\n{table(site.account, watch, rests)}")
        memory, *_ = growths(rests)
        assert memory.rise <= MEMORY_MB
        allowed = TIMES_LONGER * max(disk(watch).times_longer, 1)
        assert [each for each in latencies(site.account) if each.times_longer > allowed] == []
