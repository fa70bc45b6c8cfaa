"""The demo from its first to its last line: PACS, node, scanner, then what became of every series."""

from __future__ import annotations

import signal
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from dicom_node.deliver.dicom import DicomDestination
from dicom_node.deliver.settings import DicomDestinationSettings
from dicom_node.demo.follow import Progress, follow
from dicom_node.demo.narrator import Narrator
from dicom_node.demo.node import LOOPBACK, SETTLE_S, SILENCE_S, Configuration, NodeProcess, configure
from dicom_node.demo.options import Options, PacsKind, parse_options
from dicom_node.demo.orthanc import OrthancPacs, bring_loopback_up, enter_namespace
from dicom_node.demo.outcome import Kind
from dicom_node.demo.output import prepare_output
from dicom_node.demo.pacs import EmbeddedPacs
from dicom_node.demo.pacs_client import PacsClient
from dicom_node.demo.report import draw_pairs, fetch_and_judge, show
from dicom_node.demo.sources import Sources, read_sources
from dicom_node.dimse.library import prepare_library
from dicom_node.errors import RefusedToStart
from dicom_node.settings import load_settings
from dicom_node.spool.ledger import Ledger

CALLING_AE = "SCANNER"
NAMED_FILES = 3
"""How many of the files that are not DICOM are named."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the demo started, and where it writes."""

    folder: Path
    pacs: EmbeddedPacs | OrthancPacs
    configuration: Configuration
    node: NodeProcess


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return 0 when every series was derived or has a stated reason, else 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parse_options(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the children are ended too
    warnings.filterwarnings("ignore", module=r"pydicom|highdicom")  # what is wrong with a header, the node says
    prepare_library()
    try:
        if options.pacs is PacsKind.ORTHANC and not options.inside_namespace:
            enter_namespace(given)
        with ExitStack() as stack:
            return run(options, Narrator(), stack)
    except RefusedToStart as refusal:
        print(f"demo: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def run(options: Options, narrator: Narrator, stack: ExitStack) -> int:
    """Go through all steps; what is started ends with `stack`.

    Raises
    ------
    RefusedToStart
        When something cannot be started, with the reason.
    """
    folder = prepare_output(options.output, keep_out_of=options.input)
    running = start(options, folder, narrator, stack)
    sources = study(options, folder, narrator)
    expected, refused = send(sources, running.configuration, narrator)
    progress = wait(running, sources, expected, options.quiet_limit_s, narrator)

    narrator.step("Asking the PACS for what it got, and fetching it.")
    viewer = PacsClient(LOOPBACK, running.pacs.port, running.pacs.ae_title)
    lines = fetch_and_judge(sources.series, progress, pacs=viewer, folder=folder / "derived", refused=refused)
    picture = folder / "before_after.png"
    problems = draw_pairs(lines, picture)
    show(narrator, lines)
    for problem in problems:
        narrator.note(problem)
    tell_places(running, picture, narrator)
    if options.keep:
        keep(running, narrator)
    return int(not lines or any(line.kind is Kind.FAILED for line in lines))


def start(options: Options, folder: Path, narrator: Narrator, stack: ExitStack) -> Running:
    """Start the PACS, then the node."""
    if options.inside_namespace:
        bring_loopback_up()
    pacs: EmbeddedPacs | OrthancPacs
    if options.pacs is PacsKind.ORTHANC:
        narrator.step("Starting Orthanc, in a network namespace of its own.")
        pacs = stack.enter_context(OrthancPacs(folder / "pacs"))
    else:
        pacs = stack.enter_context(EmbeddedPacs(folder / "pacs"))
    configuration = configure(folder, options.rules, pacs_ae_title=pacs.ae_title, pacs_port=pacs.port)
    narrator.step(f"PACS {pacs.ae_title}@{LOOPBACK}:{pacs.port}. Starting the node.")
    node = stack.enter_context(NodeProcess(configuration, folder / "node.log"))
    narrator.step(f"Node {configuration.ae_title}@{LOOPBACK}:{configuration.port}, rules of {options.rules}.")
    narrator.note("All its destinations are replaced by this PACS: nothing leaves this machine.")
    narrator.note(
        f"A series counts as complete after {SETTLE_S} s (no gap) or {SILENCE_S} s of silence: short, for a demo."
    )
    return Running(folder, pacs, configuration, node)


def study(options: Options, folder: Path, narrator: Narrator) -> Sources:
    """Find what there is to send: the user's files, or a study that the virtual scanners make.

    Raises
    ------
    RefusedToStart
        When the user's folder holds no DICOM.
    """
    if options.input is None:
        narrator.step("Scanning a procedural head on the virtual scanners.")
        folder = folder / "study"
        raise RefusedToStart("the virtual scanner is not here yet")
    folder = options.input
    sources = read_sources(sorted(path for path in folder.rglob("*") if path.is_file()))
    if options.input is not None and sources.not_dicom:
        named = ", ".join(str(path.relative_to(folder)) for path in sources.not_dicom[:NAMED_FILES])
        more = ", …" if len(sources.not_dicom) > NAMED_FILES else ""
        narrator.note(f"{len(sources.not_dicom)} files are no DICOM images and are not sent: {named}{more}")
    if not sources.series:
        raise RefusedToStart(f"--input {options.input} holds no DICOM files")
    return sources


def send(sources: Sources, configuration: Configuration, narrator: Narrator) -> tuple[dict[str, int], dict[str, str]]:
    """Send all series to the node.

    Returns
    -------
    SeriesInstanceUID -> number of instances that the node accepted, and -> why it took nothing of a series.
    """
    node = DicomDestination(
        DicomDestinationSettings(host=LOOPBACK, port=configuration.port, ae_title=configuration.ae_title), CALLING_AE
    )
    expected, refused = {}, {}
    for series in sources.series.values():
        narrator.step(
            f"Sending {series.description or 'a series without a description'}: {len(series.files)} instances."
        )
        report = node.send(list(series.files.values()))
        if report.refused:
            statuses = ", ".join(sorted({f"{status:04X}" for status in report.refused.values()}))
            narrator.note(f"the node refused {len(report.refused)} of them with status {statuses}")
            if not report.accepted:
                refused[series.series_uid] = f"the node refused all {len(series.files)} instances, status {statuses}"
                continue
        expected[series.series_uid] = report.accepted
    return expected, refused


def wait(
    running: Running, sources: Sources, expected: dict[str, int], quiet_limit_s: float, narrator: Narrator
) -> Progress:
    """Follow the node's work until it is over, telling what settles on the way."""
    settings = load_settings(running.configuration.node_yaml)
    ledger = Ledger(settings.ledger_url)
    told: set[str] = set()

    def tell(progress: Progress) -> None:
        for text in settled(progress, sources):
            if text not in told:
                told.add(text)
                narrator.step(text)
        change(f"{len(progress.waiting_series)} series and {len(progress.waiting_jobs)} jobs are under way")

    try:
        with narrator.waiting("waiting for the node") as change:
            progress = follow(
                ledger,
                expected,
                quiet_limit_s=quiet_limit_s,
                tell=tell,
                may_go_on=lambda: not running.node.has_ended,
            )
    finally:
        ledger.close()
    if running.node.has_ended:
        narrator.step(f"The node has ended: {running.node.last_words()}")
    elif not progress.is_over:
        narrator.step(f"Nothing has changed for {quiet_limit_s:g} s: giving up.")
    return progress


def settled(progress: Progress, sources: Sources) -> list[str]:
    """Return one line for every series and job that has come to an end."""
    lines = []
    for uid, series in progress.series.items():
        if uid not in progress.waiting_series and uid in sources.series:
            lines.append(f"{sources.series[uid].description}: {series.state}")
    for job in progress.jobs:
        if job not in progress.waiting_jobs and job.series_uid in sources.series:
            lines.append(f"{sources.series[job.series_uid].description} → {job.target or job.model}: {job.state}")
    return lines


def tell_places(running: Running, picture: Path, narrator: Narrator) -> None:
    """Say where everything lies."""
    folder = running.folder
    places = {
        "derived series": folder / "derived",
        "before and after": picture,
        "rules": running.configuration.rules,
        "node's log": folder / "node.log",
        "everything": folder,
    }
    for what, path in places.items():
        if path.exists():
            narrator.note(f"{what + ':':18}{path}")
    narrator.note("It holds copies of the images that were sent; the next demo deletes it. For research use only.")


def keep(running: Running, narrator: Narrator) -> None:
    """Leave everything running until Ctrl-C or the node's end."""
    configuration, pacs = running.configuration, running.pacs
    narrator.step("Left running until Ctrl-C:")
    narrator.note(f"node     {configuration.ae_title}@{LOOPBACK}:{configuration.port}")
    narrator.note(f"health   http://{LOOPBACK}:{configuration.console_port}/readyz and /metrics")
    narrator.note(f"PACS     {pacs.ae_title}@{LOOPBACK}:{pacs.port}")
    narrator.note(f"command  dicom-node jobs list --config {configuration.node_yaml}")
    try:
        while not running.node.has_ended:
            time.sleep(1)
    except KeyboardInterrupt:
        narrator.step("Ending.")
