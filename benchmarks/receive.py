"""How fast images are received, beside DCMTK, Orthanc and pynetdicom: ``python benchmarks/receive.py [--write]``.

One client, DCMTK's dcmsend, sends the same images to each receiver in turn, round after round, so that what else the
machine does falls on all of them. Only the ratios within one run mean anything, and the processor time that a receiver
needs for an image, which hardly depends on what else is running. A row tells what the disk alone allows. Orthanc 1.10
listens on all addresses, so everything runs in a network namespace of its own with nothing but the loopback interface.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event

from dicom_node.demo.node import free_ports
from dicom_node.demo.orthanc import OrthancPacs, bring_loopback_up
from dicom_node.log import silence_libraries
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.spool.durable import sync_folder, write_file
from dicom_node.spool.instances import Spool

PARALLEL, SIDE = (1, 4), 256
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"
DCMTK = os.environ | {"TCP_NODELAY": "1"}  # without it each of its processes waits 40 ms for each answer
INSIDE = "--inside-namespace"


@dataclass(frozen=True)
class Running:
    """A receiver that listens, on one port or, where it is several processes, on several."""

    ports: list[int]
    pids: list[int]


@dataclass(frozen=True)
class Peer:
    """A receiver that is measured.

    Attributes
    ----------
    durable
        What it has done before it answers.
    serve
        Folder -> a context in which it runs.
    """

    name: str
    durable: str
    serve: Callable[[Path], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Rate:
    """What came of one peer in one round: images a second, and milliseconds of processor time for each."""

    images: float
    cpu_ms: float | None


@contextmanager
def process(*command: object, port: int) -> Iterator[Running]:
    """Run a receiver that listens on a port."""
    running = subprocess.Popen(
        [str(each) for each in command], env=DCMTK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if running.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} does not listen")
            time.sleep(0.05)
        yield Running([port], [running.pid])
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait()


@contextmanager
def storescp(folder: Path) -> Iterator[Running]:
    """DCMTK's, a process for each association."""
    (port,) = free_ports(1)
    with process(
        shutil.which("storescp", path="/usr/local/bin:/usr/bin"), "--fork", "-od", folder, port, port=port
    ) as running:
        yield running


@contextmanager
def orthanc(folder: Path) -> Iterator[Running]:
    """Orthanc as it comes."""
    with OrthancPacs(folder) as pacs:
        yield Running([pacs.port], [pacs.pid])


def ours(kind: str, processes: int = 1) -> Callable[[Path], AbstractContextManager[Running]]:
    """Return what runs a receiver of this file in a process of its own, or several on one folder."""

    @contextmanager
    def serve(folder: Path) -> Iterator[Running]:
        with ExitStack() as stack:
            all_of_them = [
                stack.enter_context(process(sys.executable, __file__, "--serve", kind, folder, port, port=port))
                for port in free_ports(processes)
            ]
            yield Running([each.ports[0] for each in all_of_them], [each.pids[0] for each in all_of_them])

    return serve


PEERS = (
    Peer("storescp --fork", "written", storescp),
    Peer("Orthanc", "as configured by default, and in its index", orthanc),
    Peer("pynetdicom, empty handler", "nothing", ours("pynetdicom-empty")),
    Peer("pynetdicom, raw bytes and fsync", "file synced", ours("pynetdicom")),
    Peer("**the node**", "file synced, named, folder synced", ours("node")),
    Peer("two processes of the node", "as the node; half of the associations each", ours("node", processes=2)),
    Peer("the node with fsync taken away", "written", ours("node-unsynced")),
)
DISK = "the disk alone"
"""The same steps without network, protocol and node: what a client that waits for each answer cannot get beyond."""


def disk_alone(folder: Path, images: int) -> None:
    """Write, sync and name files, and sync their folder after each."""
    content = bytes(os.urandom(2 * SIDE * SIDE))
    folder.mkdir()
    for number in range(images):
        write_file(folder / "unnamed", [content])
        os.rename(folder / "unnamed", folder / str(number))
        sync_folder(folder)


def serve_node(folder: Path, port: int) -> None:
    """Listen with the node's receiver and spool."""
    Receiver(Spool(folder), Policy("HARMONIZE"), port=port).start()
    signal.pause()


def serve_unsynced(folder: Path, port: int) -> None:
    """Listen likewise, on a disk that is as fast as none."""
    os.fsync = lambda descriptor: None  # of this process, for this measurement
    serve_node(folder, port)


def serve_pynetdicom(folder: Path, port: int) -> None:
    """Listen with pynetdicom as one would first write it, with what is sent written raw and synced."""

    def on_store(event: Event) -> int:
        with (folder / uuid.uuid4().hex).open("wb") as file:
            file.write(event.encoded_dataset())
            file.flush()
            os.fsync(file.fileno())
        return 0x0000

    _pynetdicom(on_store, port)


def serve_empty(_folder: Path, port: int) -> None:
    """Listen with pynetdicom and keep nothing."""
    _pynetdicom(lambda event: 0x0000, port)


def _pynetdicom(on_store: Callable[[Event], int], port: int) -> None:
    entity = AE(ae_title="HARMONIZE")
    entity.maximum_pdu_size = 1 << 17
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax)
    entity.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, on_store)])


SERVERS: Mapping[str, Callable[[Path, int], None]] = {
    "node": serve_node,
    "node-unsynced": serve_unsynced,
    "pynetdicom": serve_pynetdicom,
    "pynetdicom-empty": serve_empty,
}


def make_images(folder: Path, count: int) -> None:
    """Write a series of images of noise."""
    folder.mkdir()
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Noise", "1", "MR"
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for number in range(1, count + 1):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number
        dataset.PixelData = os.urandom(2 * SIDE * SIDE)
        dcmwrite(folder / f"{number}.dcm", dataset, enforce_file_format=True)


def cpu_s(pids: Iterable[int]) -> float:
    """Return the processor time of processes and of all that they started."""
    ticks, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            ticks[int(path.parent.name)] = sum(map(int, fields[11:15]))  # its own, and those that it waited for
    family = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK")


def seconds(ports: list[int], folders: list[Path]) -> float:
    """Send each folder on an association of its own, all at once."""
    tool = shutil.which("dcmsend", path="/usr/local/bin:/usr/bin")
    began = time.perf_counter()
    senders = [
        subprocess.Popen([str(tool), "-aec", "HARMONIZE", "+sd", "127.0.0.1", str(port), str(folder)], env=DCMTK)
        for port, folder in zip(itertools.cycle(ports), folders, strict=False)
    ]
    if any(sender.wait() for sender in senders):
        raise RuntimeError("dcmsend could not send everything")
    return time.perf_counter() - began


def measure(scratch: Path, images: int, rounds: int) -> dict[tuple[str, int], list[Rate]]:
    """Return (peer, associations) -> its rates, one for each round."""
    folders = [scratch / f"series-{number}" for number in range(max(PARALLEL))]
    for folder in folders:
        make_images(folder, images)
    rates: dict[tuple[str, int], list[Rate]] = {}
    for round_number, parallel in itertools.product(range(rounds), PARALLEL):
        for peer in (*PEERS, None):
            target = scratch / "received"
            target.mkdir()
            rate = rate_of_disk(target, images, parallel) if peer is None else rate_of(peer, target, folders[:parallel])
            shutil.rmtree(target)
            name = DISK if peer is None else peer.name
            rates.setdefault((name, parallel), []).append(rate)
            print(
                f"{round_number + 1}/{rounds} {parallel} {name}: {rate.images:.0f}/s, CPU {rate.cpu_ms} ms", flush=True
            )
    return rates


def rate_of(peer: Peer, target: Path, folders: list[Path]) -> Rate:
    """Send to a receiver."""
    images = sum(len(list(folder.iterdir())) for folder in folders)
    with peer.serve(target) as running:
        before = cpu_s(running.pids)
        taken = seconds(running.ports, folders)
        return Rate(images / taken, 1000 * (cpu_s(running.pids) - before) / images)


def rate_of_disk(target: Path, images: int, parallel: int) -> Rate:
    """Write as many files, in as many threads as there would be associations."""
    began = time.perf_counter()
    with ThreadPoolExecutor(parallel) as threads:
        for done in [threads.submit(disk_alone, target / str(number), images) for number in range(parallel)]:
            done.result()
    return Rate(images * parallel / (time.perf_counter() - began), None)


def table(rates: Mapping[tuple[str, int], list[Rate]]) -> str:
    """Return medians and their ratios to the first peer, to Orthanc and to the disk as a Markdown table."""
    median = {key: statistics.median(each.images for each in values) for key, values in rates.items()}
    others = {"x storescp": PEERS[0].name, "x Orthanc": PEERS[1].name, "x disk": DISK}
    head = ["receiver", "done before it answers"]
    for parallel in PARALLEL:
        head += [f"images/s, {parallel} assoc.", *others]
    lines = ["| " + " | ".join([*head, "CPU ms an image"]) + " |"]
    lines += ["|---|---|" + "--:|" * (len(head) - 1)]
    for name, durable in (*((peer.name, peer.durable) for peer in PEERS), (DISK, "file synced, named, folder synced")):
        cells = [name, durable]
        for parallel in PARALLEL:
            rate = median[name, parallel]
            cells += [f"{rate:.0f}", *(f"{rate / median[other, parallel]:.2f}" for other in others.values())]
        spent = [each.cpu_ms for each in rates[name, max(PARALLEL)] if each.cpu_ms is not None]
        lines.append("| " + " | ".join([*cells, f"{statistics.median(spent):.2f}" if spent else ""]) + " |")
    return "\n".join(lines)


def write(text: str) -> None:
    """Put a table where the page has its place."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- measured: receive -->\n).*?(<!-- end -->)", re.DOTALL)
    PAGE.write_text(marked.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page), encoding="utf-8")


def main() -> None:
    """Measure in a namespace, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500, help="for each association")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--note", default="", help="what to say of the machine")
    parser.add_argument("--serve", nargs=3, metavar=("KIND", "FOLDER", "PORT"), help=argparse.SUPPRESS)
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    silence_libraries()
    if options.serve:
        kind, folder, port = options.serve
        SERVERS[kind](Path(folder), int(port))
        return
    if not options.inside_namespace:
        own = [sys.executable, __file__, INSIDE, *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", *own])
    bring_loopback_up()
    with tempfile.TemporaryDirectory(prefix="receive-") as scratch:
        made = table(measure(Path(scratch), options.images, options.rounds))
    what = f"{os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}, {options.images} images for each association"
    text = f"{SIDE}x{SIDE}x16 bit, medians of {options.rounds} rounds, {what}. {options.note}".strip() + f"\n\n{made}"
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
