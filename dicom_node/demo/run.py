"""The demo from its first to its last line: PACS, node, scanner, then what became of every series."""

from __future__ import annotations

import itertools
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicom_node.demo.follow import Progress, follow
from dicom_node.demo.narrator import Narrator
from dicom_node.demo.node import LOOPBACK, SETTLE_S, SILENCE_S, Configuration, NodeProcess, configure
from dicom_node.demo.options import Options, PacsKind, parse_options
from dicom_node.demo.orthanc import OrthancPacs, bring_loopback_up, enter_namespace
from dicom_node.demo.outcome import Kind
from dicom_node.demo.output import prepare_output
from dicom_node.demo.pacs import EmbeddedPacs
from dicom_node.demo.pacs_client import PacsClient
from dicom_node.demo.report import AGAINST_TRUTH, BEFORE_AFTER, fetch_and_judge, look_at, show
from dicom_node.demo.scanner_send import Answer
from dicom_node.demo.sending import Sent, send_files, send_scans
from dicom_node.demo.sources import SourceSeries, read_sources
from dicom_node.demo.truth import Truths
from dicom_node.demo.virtual_scanner import demo_study
from dicom_node.dimse.library import prepare_library
from dicom_node.errors import RefusedToStart
from dicom_node.holdings import catalogue
from dicom_node.route.loader import check
from dicom_node.settings import load_settings
from dicom_node.spool.ledger import Ledger
from inference.registry import SHIPPED, Registry

SEED = 100
"""Of the virtual patient: none of the heads that the shipped landmarks were made from."""
NAMED_FILES = 3
"""How many of the files that are not DICOM are named."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the demo started, and where it writes."""

    folder: Path
    pacs: EmbeddedPacs | OrthancPacs
    configuration: Configuration
    node: NodeProcess
    background: Executor


@dataclass(frozen=True, slots=True)
class Study:
    """What was sent.

    Attributes
    ----------
    sources
        SeriesInstanceUID -> series, in the order that they were sent.
    sent
        The node's answers.
    truths
        Of the series that are simulated.
    """

    sources: Mapping[str, SourceSeries]
    sent: Sent
    truths: Truths


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
        When something cannot be started or there is nothing to send, with the reason.
    """
    if options.input is not None and not options.input.is_dir():
        raise RefusedToStart(f"--input {options.input} is not a folder")
    if problems := check(options.rules, catalogue(Registry((SHIPPED,)))):
        raise RefusedToStart("\n".join(problems))
    folder = prepare_output(options.output, keep_out_of=options.input)
    running = start(options, folder, narrator, stack)
    if options.input is None:
        study = send_virtual_study(running, narrator)
    else:
        study = send_own_study(options.input, running, narrator)
    tell_refusals(study.sent, options.input, narrator)
    progress = wait(running, study, options.quiet_limit_s, narrator)

    narrator.step("Asking the PACS for what it got, and fetching it.")
    viewer = PacsClient(LOOPBACK, running.pacs.port, running.pacs.ae_title)
    refused = {uid: why for uid, series in study.sources.items() if (why := study.sent.why_nothing(series))}
    lines = fetch_and_judge(study.sources, progress, pacs=viewer, folder=folder / "derived", refused=refused)
    lines, problems = look_at(lines, study.truths, folder)
    show(narrator, lines)
    for problem in problems:
        narrator.note(problem)
    tell_places(running, narrator)
    if options.keep:
        keep(running, narrator)
    return int(not lines or any(line.kind is Kind.FAILED for line in lines))


def start(options: Options, folder: Path, narrator: Narrator, stack: ExitStack) -> Running:
    """Start the PACS, then the node, which gets ready while the study is made."""
    if options.inside_namespace:
        bring_loopback_up()
    pacs: EmbeddedPacs | OrthancPacs
    if options.pacs is PacsKind.ORTHANC:
        narrator.step("Starting Orthanc, in a network namespace of its own.")
        pacs = stack.enter_context(OrthancPacs(folder / "pacs"))
    else:
        pacs = stack.enter_context(EmbeddedPacs(folder / "pacs"))
    configuration = configure(folder, options.rules, pacs_ae_title=pacs.ae_title, pacs_port=pacs.port)
    narrator.step(f"The PACS listens: {pacs.ae_title}@{LOOPBACK}:{pacs.port}. Starting the node.")
    narrator.note(f"Its rules: {options.rules}")
    narrator.note("Every destination in them is replaced by this PACS: nothing leaves this machine.")
    narrator.note(
        f"For a short demo it waits {SETTLE_S} s after a gapless stack, {SILENCE_S} s where silence must tell."
    )
    node = stack.enter_context(NodeProcess(configuration, folder / "node.log"))
    return Running(folder, pacs, configuration, node, stack.enter_context(ThreadPoolExecutor(1)))


def send_virtual_study(running: Running, narrator: Narrator) -> Study:
    """Have the virtual scanners scan a head, write what they send into a folder, and send it."""
    narrator.step("Scanning a simulated head on the virtual scanners.")
    folder = running.folder / "study"
    with narrator.waiting("scanning"):
        scans = demo_study(SEED)
        for number, scan in enumerate(scans, start=1):
            (folder / str(number)).mkdir(parents=True)
            for image, dataset in enumerate(scan.datasets, start=1):
                dataset.save_as(folder / str(number) / f"IM{image:04d}.dcm", enforce_file_format=True)
    sources = read_sources(folder)
    truths = Truths({scan.series_uid: scan.scene for scan in scans if scan.scene is not None}, running.background)
    with sending(running, sources, narrator) as count:
        return Study(sources, send_scans(scans, sources, running.configuration, count), truths)


def send_own_study(folder: Path, running: Running, narrator: Narrator) -> Study:
    """Send the user's own files, of which no truth is known.

    Raises
    ------
    RefusedToStart
        When none of them is DICOM.
    """
    narrator.step(f"Reading the headers in {folder}.")
    sources = read_sources(folder)
    if not sources:
        raise RefusedToStart(f"--input {folder} holds no DICOM images (files with a preamble and DICM, PS3.10)")
    with sending(running, sources, narrator) as count:
        return Study(sources, send_files(folder, running.configuration, count), Truths({}, running.background))


@contextmanager
def sending(
    running: Running, sources: Mapping[str, SourceSeries], narrator: Narrator
) -> Iterator[Callable[[Answer], None]]:
    """Wait for the node, and give a function that counts what is sent to it."""
    running.node.wait_until_ready()
    where = running.configuration
    total = sum(len(series.files) for series in sources.values())
    narrator.step(f"The node listens: {where.ae_title}@{LOOPBACK}:{where.port}.")
    narrator.step(f"Sending {len(sources)} series, {total} instances.")
    counted = itertools.count(1)
    with narrator.waiting("sending") as change:
        yield lambda _answer: change(f"{next(counted)} of {total} instances are sent")


def tell_refusals(sent: Sent, folder: Path | None, narrator: Narrator) -> None:
    """Say what was not sent, and what the node did not take."""
    if sent.left_out and folder is not None:
        named = ", ".join(str(path.relative_to(folder)) for path in sent.left_out[:NAMED_FILES])
        more = ", …" if len(sent.left_out) > NAMED_FILES else ""
        narrator.note(f"Not sent, {len(sent.left_out)} without DICOM images in them: {named}{more}")
    for said, number in sent.refusals.items():
        narrator.note(f"Not taken by the node: {number} instances, answer: {said}")


def wait(running: Running, study: Study, quiet_limit_s: float, narrator: Narrator) -> Progress:
    """Follow the node's work until it is over, telling what settles on the way; truths are scanned meanwhile."""
    ledger = Ledger(load_settings(running.configuration.node_yaml).ledger_url)
    expected = {uid: accepted for uid, series in study.sources.items() if (accepted := study.sent.accepted(series))}
    told: set[str] = set()

    def tell(progress: Progress) -> None:
        for job in progress.jobs:
            study.truths.begin(job.series_uid, job.target or "")
        for key, text in settled(progress, study.sources).items():
            if key not in told:
                told.add(key)
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


def settled(progress: Progress, sources: Mapping[str, SourceSeries]) -> dict[str, str]:
    """Return one line for every series and job that has come to an end, by UID of the series or id of the job.

    Jobs that were held before they ran have none: the state of their series tells it.
    """
    lines = {}
    for uid, series in progress.series.items():
        if uid not in progress.waiting_series and uid in sources:
            lines[uid] = f"{sources[uid].name}: {series.state}"
    for job in progress.jobs:
        if job not in progress.waiting_jobs and "running" in job.times and job.series_uid in sources:
            lines[job.id] = f"{sources[job.series_uid].name} → {job.target or job.model}: {job.state}"
    return lines


def tell_places(running: Running, narrator: Narrator) -> None:
    """Say where everything lies."""
    folder = running.folder
    places = {
        "what was sent": folder / "study",
        "derived series": folder / "derived",
        "before and after": folder / BEFORE_AFTER,
        "against the truth": folder / AGAINST_TRUTH,
        "rules": running.configuration.rules,
        "node's log": folder / "node.log",
        "everything": folder,
    }
    for what, path in places.items():
        if path.exists():
            narrator.note(f"{what + ':':19}{path}")
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
