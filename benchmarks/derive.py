"""What a derived series costs, stage by stage, beside what others take for the same step: ``make bench``.

One run on one machine: only the ratios mean anything. The series is the simulated Philips 3 T T1 of the demo.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import dicom2nifti
import SimpleITK
from pydicom import dcmread

from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.gate import refusal
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.demo.virtual_scanner import demo_study, save_study
from dicom_node.domain.instance import InstanceKey, Transport
from dicom_node.domain.provenance import StoredScale
from dicom_node.domain.stack import Stack
from dicom_node.encode import derived_mr
from dicom_node.encode.series import to_bytes
from dicom_node.infer.gate import judge
from dicom_node.jobs import provenance_by_hand
from dicom_node.log import silence_libraries
from dicom_node.spool.instances import Spool
from inference.aim import at_target
from inference.registry import SHIPPED, Registry, load
from inference.volume import Volume

RUNS = 3
MODEL, TARGET = "harmonize-nyul", "siemens-3t"


def seconds(work: Callable[[], object]) -> float:
    """Return the median time of some runs."""
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def stack_of(paths: Sequence[Path]) -> Stack:
    """Read headers, split, and look for reasons against it, as the node does."""
    (stack,) = split([frame for path in paths for frame in read_frames(path).frames])
    assert refusal(stack) is None
    return stack


def with_sitk(folder: Path) -> SimpleITK.Image:
    """Read the same series by SimpleITK, which believes the order of the positions and checks nothing."""
    return SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)), SimpleITK.sitkFloat32)


def to_nifti(folder: Path, scratch: Path) -> None:
    """Convert the same series by dicom2nifti."""
    dicom2nifti.dicom_series_to_nifti(folder, scratch / "out.nii", reorient_nifti=False)


def write_copies(paths: Sequence[Path], scratch: Path) -> None:
    """Write deep copies of the source by pydicom: what a derived series must not be, as a yardstick for time."""
    for path in paths:
        deepcopy(dcmread(path)).save_as(scratch / path.name)


def receive(contents: Sequence[bytes], spool: Spool) -> None:
    """Put instances into the spool under new UIDs, durably."""
    batch = time.monotonic_ns()
    for number, content in enumerate(contents):
        key = InstanceKey("1.2", f"1.2.{batch}", "1.2.840.10008.5.1.4.1.1.4", f"1.2.{batch}.{number}")
        spool.put(key, Transport("BENCH", "HARMONIZE", "1.2.840.10008.1.2.1"), content)


def write_plainly(contents: Sequence[bytes], scratch: Path) -> None:
    """Write the same bytes without a sync: a power cut loses them."""
    for number, content in enumerate(contents):
        (scratch / f"plain-{number}").write_bytes(content)


def rows(folder: Path, scratch: Path) -> list[tuple[str, float, str, float]]:
    """Measure: stage, our seconds, what it is compared with, its seconds."""
    paths = sorted(folder.glob("*.dcm"))
    stack = stack_of(paths)
    volume: Volume = read_volume(stack)
    image = with_sitk(folder)
    bundle = Registry([SHIPPED]).get(MODEL)
    model = load(bundle)
    result = model(volume, target=TARGET).volume
    aim = at_target(bundle.manifest, TARGET)
    scale = StoredScale(1, 600, 1200)
    made = provenance_by_hand(stack, bundle, aim, at=datetime(2026, 1, 1, tzinfo=UTC), number_offset=1000)
    contents = [path.read_bytes() for path in paths]
    spool = Spool(scratch / "spool")
    matching = SimpleITK.HistogramMatchingImageFilter()
    manifest = bundle.manifest

    def encode() -> None:
        series = derived_mr.encode(stack, result.voxels, scale=scale, provenance=made)
        for instance in series.instances:
            to_bytes(instance)

    def sitk() -> None:
        with_sitk(folder)

    return [
        ("spool, durable", seconds(lambda: receive(contents, spool)),
         "plain writes, no sync", seconds(lambda: write_plainly(contents, scratch))),
        ("headers, gate and volume", seconds(lambda: read_volume(stack_of(paths))), "SimpleITK", seconds(sitk)),
        ("the same", seconds(lambda: read_volume(stack_of(paths))),
         "dicom2nifti", seconds(lambda: to_nifti(folder, scratch))),
        ("model", seconds(lambda: model(volume, target=TARGET)),
         "SimpleITK HistogramMatching", seconds(lambda: matching.Execute(image, image))),
        ("output gate", seconds(lambda: judge(volume, result, output=manifest.output, limits=manifest.qa)),
         "the model", seconds(lambda: model(volume, target=TARGET))),
        ("encode", seconds(encode), "pydicom deep copies", seconds(lambda: write_copies(paths, scratch))),
    ]  # fmt: skip


def main() -> None:
    """Make the series, measure, print a Markdown table."""
    silence_libraries()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        study = demo_study(100)
        series = max(study, key=lambda each: len(each.datasets))
        save_study([series], scratch / "study")
        (folder,) = {path.parent for path in (scratch / "study").rglob("*.dcm")}
        shape = f"{len(series.datasets)} x {series.datasets[0].Rows} x {series.datasets[0].Columns}"
        print(f"{series.name}: {shape}, {os.cpu_count()} cores, median of {RUNS}\n")
        print("| stage | s | compared with | s | ratio |\n|---|---|---|---|---|")
        for stage, ours, other, theirs in rows(folder, scratch):
            print(f"| {stage} | {ours:.2f} | {other} | {theirs:.2f} | {ours / theirs:.2f} |")


if __name__ == "__main__":
    main()
